// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/entity_body.h"
#include "kernel/limits.h"
#include <algorithm>

namespace httpsys::http {

void EntityBody::append(std::span<const char> bytes)
{
  if (bytes.empty())
    return;
  // Small pieces are joined, so that a body that trickles in costs no allocation a byte.
  if (!m_chunks.empty() && m_chunks.back().size() + bytes.size() <= limits::kBodyChunkBytes)
    m_chunks.back().insert(m_chunks.back().end(), bytes.begin(), bytes.end());
  else
    m_chunks.emplace_back(bytes.begin(), bytes.end());
  m_buffered += bytes.size();
  m_received += bytes.size();
}

void EntityBody::fail(NtStatus status, const std::string &reason)
{
  if (m_ended || has_failed())
    return;
  m_failure = status;
  m_failure_reason = reason;
  serve();
}

void EntityBody::take(size_t maximum, std::vector<uint8_t> &out)
{
  size_t wanted = std::min(maximum, m_buffered);
  out.reserve(out.size() + wanted);
  while (wanted > 0) {
    auto &front = m_chunks.front();
    size_t part = std::min(wanted, front.size() - m_front_taken);
    auto begin = front.begin() + static_cast<ptrdiff_t>(m_front_taken);
    out.insert(out.end(), begin, begin + static_cast<ptrdiff_t>(part));
    m_front_taken += part;
    m_buffered -= part;
    wanted -= part;
    if (m_front_taken == front.size()) {
      m_chunks.pop_front();
      m_front_taken = 0;
    }
  }
}

void EntityBody::drop()
{
  m_chunks.clear();
  m_front_taken = m_buffered = 0;
}

// False: nothing to say yet, the operation stays the caller's.
bool EntityBody::complete_read(io::IrpPtr &irp)
{
  if (m_buffered > 0) {
    io::IrpCompletion completion;
    uint32_t room = irp->entry().out_length;
    if (room == 0) {
      completion.status = NtStatus::BufferOverflow;
      completion.information = 1;
    } else {
      take(std::min(room, static_cast<uint32_t>(HSYS_BODY_READ_MAX)), completion.output);
      completion.information = completion.output.size();
      completion.aux = is_consumed() ? 1 : 0;
    }
    io::complete(std::move(irp), std::move(completion));
    return true;
  }
  if (m_ended) {
    io::complete(std::move(irp), NtStatus::EndOfFile);
    return true;
  }
  if (has_failed()) {
    io::complete(std::move(irp), m_failure, m_failure_reason);
    return true;
  }
  return false;
}

void EntityBody::serve()
{
  while (auto irp = m_reads.take_first()) {
    if (complete_read(irp))
      continue;
    m_reads.park_first(std::move(irp));
    return;
  }
}

void EntityBody::receive(io::IrpPtr irp)
{
  if (!m_reads.is_empty() || !complete_read(irp))
    m_reads.park(std::move(irp));
}

}
