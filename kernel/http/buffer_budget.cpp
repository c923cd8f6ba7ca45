// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/buffer_budget.h"
#include "kernel/base/log.h"
#include "kernel/base/verify.h"
#include "kernel/http/settings.h"
#include "kernel/http/spare_buffers.h"
#include "kernel/io/per_core.h"
#include "uapi/abi.h"

namespace httpsys::http {

static constexpr BufferWindows kUsual{limits::kOutputBacklogBytes, limits::kBodyWindowBytes, limits::kPipelinedBytes};
static constexpr BufferWindows kShort{limits::kShortOutputBytes, limits::kShortBodyBytes, limits::kShortPipelinedBytes};

// A receive that waits for a whole body waits for so much at most.
static_assert(limits::kShortBodyBytes >= HSYS_BODY_READ_MAX);

namespace {

struct Budget {
  size_t bytes = 0;
  bool is_short = false;
  uint64_t multishots = 0;
};

}

static io::PerCore<Budget> s_budgets;

uint64_t part_of_core(uint64_t total)
{
  return total / ke::Cores::instance().count();
}

// What is a little more and a little less in turn is not told each time.
static void look(Budget &budget)
{
  uint64_t share = part_of_core(settings().connection_buffer_bytes_total);
  bool is_short = budget.bytes > (budget.is_short ? share / 2 : share);
  if (is_short == budget.is_short)
    return;
  budget.is_short = is_short;
  if (is_short) {
    free_spares();
    log(LogKind::Connection, "connections of core {} keep {} bytes, more than its part of ConnectionBufferBytesTotal ({} bytes): each may "
        "keep less until it is half of that", ke::Core::current().id(), budget.bytes, share);
  } else {
    log(LogKind::Connection, "connections of core {} keep {} bytes: each may keep as much as usual again", ke::Core::current().id(),
        budget.bytes);
  }
}

const BufferWindows &buffer_windows()
{
  return s_budgets.here().is_short ? kShort : kUsual;
}

bool buffers_are_short()
{
  return s_budgets.here().is_short;
}

void BufferedBytes::set(size_t bytes)
{
  if (bytes == m_bytes)
    return;
  Budget &budget = s_budgets.here();
  VERIFY(budget.bytes >= m_bytes); // on the core that counted it
  budget.bytes = budget.bytes - m_bytes + bytes;
  m_bytes = bytes;
  look(budget);
}

bool MultishotRight::take()
{
  Budget &budget = s_budgets.here();
  if (!m_has && budget.multishots < part_of_core(settings().multishot_receives)) {
    budget.multishots++;
    m_has = true;
  }
  return m_has;
}

void MultishotRight::give()
{
  if (!m_has)
    return;
  VERIFY(s_budgets.here().multishots > 0); // on the core that counted it
  s_budgets.here().multishots--;
  m_has = false;
}

size_t buffered_bytes()
{
  return s_budgets.here().bytes;
}

}
