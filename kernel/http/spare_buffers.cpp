// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/spare_buffers.h"
#include "kernel/http/buffer_budget.h"
#include "kernel/http/settings.h"
#include "kernel/io/per_core.h"
#include "kernel/limits.h"
#include <algorithm>
#include <utility>

namespace httpsys::http {

namespace {

struct Spares {
  std::vector<std::vector<uint8_t>> buffers;
  size_t bytes = 0;
};

}

static io::PerCore<Spares> s_spares;

static size_t most_bytes()
{
  uint64_t share = part_of_core(settings().connection_buffer_bytes_total);
  return buffers_are_short() ? 0 : static_cast<size_t>(std::min<uint64_t>(limits::kSpareBufferBytes, share / 8));
}

void keep_spare(std::vector<uint8_t> &buffer)
{
  Spares &spares = s_spares.here();
  std::vector<uint8_t> given = std::exchange(buffer, std::vector<uint8_t>());
  given.clear();
  if (given.capacity() <= limits::kIdleBufferBytes || spares.bytes + given.capacity() > most_bytes())
    return;
  spares.bytes += given.capacity();
  spares.buffers.push_back(std::move(given));
}

std::vector<uint8_t> take_spare(size_t bytes)
{
  Spares &spares = s_spares.here();
  // The last is the one whose memory is likeliest in the cache.
  auto found = std::find_if(spares.buffers.rbegin(), spares.buffers.rend(), [&](auto &buffer) { return buffer.capacity() >= bytes; });
  if (found == spares.buffers.rend())
    return {};
  std::vector<uint8_t> taken = std::move(*found);
  spares.buffers.erase(std::prev(found.base()));
  spares.bytes -= taken.capacity();
  return taken;
}

void free_spares()
{
  s_spares.here() = Spares();
}

size_t spare_bytes()
{
  return s_spares.here().bytes;
}

}
