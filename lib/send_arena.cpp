// SPDX-License-Identifier: MIT
#include "lib/send_arena.h"
#include <algorithm>
#include <bit>
#include <new>

namespace httpsys::lib {

bool SendArena::initialise(uint64_t bytes)
{
  std::lock_guard lock(m_mutex);
  m_granules = static_cast<uint32_t>(std::min<uint64_t>(bytes, 0xffffffffu) / kGranule);
  m_tags.reset(new (std::nothrow) Tag[m_granules]);
  std::fill(std::begin(m_bins), std::end(m_bins), kNone);
  if (!m_tags || m_granules == 0) {
    m_granules = 0;
    return false;
  }
  m_free_granules = m_granules;
  mark(0, m_granules, true);
  link(0);
  return true;
}

uint32_t SendArena::bin_of(uint32_t granules)
{
  return static_cast<uint32_t>(std::bit_width(granules)) - 1;
}

void SendArena::mark(uint32_t first, uint32_t length, bool is_free)
{
  Tag &head = m_tags[first], &tail = m_tags[first + length - 1];
  head.length = tail.length = length;
  head.is_free = tail.is_free = is_free;
}

void SendArena::link(uint32_t first)
{
  uint32_t &bin = m_bins[bin_of(m_tags[first].length)];
  m_tags[first].previous = kNone;
  m_tags[first].next = bin;
  if (bin != kNone)
    m_tags[bin].previous = first;
  bin = first;
}

void SendArena::unlink(uint32_t first)
{
  Tag &tag = m_tags[first];
  if (tag.previous != kNone)
    m_tags[tag.previous].next = tag.next;
  else
    m_bins[bin_of(tag.length)] = tag.next;
  if (tag.next != kNone)
    m_tags[tag.next].previous = tag.previous;
}

// A run of the bins above fits whatever its length; of the length's own bin a few are tried.
uint32_t SendArena::find(uint32_t granules) const
{
  uint32_t own = bin_of(granules);
  uint32_t probes = 0;
  for (uint32_t run = m_bins[own]; run != kNone && probes < kProbes; run = m_tags[run].next, probes++)
    if (m_tags[run].length >= granules)
      return run;
  for (uint32_t bin = own + 1; bin < kBins; bin++)
    if (m_bins[bin] != kNone)
      return m_bins[bin];
  return kNone;
}

uint32_t SendArena::longest() const
{
  for (uint32_t bin = kBins; bin-- > 0;) {
    uint32_t best = m_bins[bin], probes = 0;
    for (uint32_t run = best; run != kNone && probes < kProbes; run = m_tags[run].next, probes++)
      if (m_tags[run].length > m_tags[best].length)
        best = run;
    if (best != kNone)
      return best;
  }
  return kNone;
}

void SendArena::take(uint32_t first, uint32_t granules)
{
  uint32_t length = m_tags[first].length;
  unlink(first);
  mark(first, granules, false);
  if (length > granules) {
    mark(first + granules, length - granules, true);
    link(first + granules);
  }
  m_free_granules -= granules;
}

ArenaExtent SendArena::allocate(uint32_t bytes)
{
  if (bytes == 0)
    return {};
  std::lock_guard lock(m_mutex);
  uint32_t granules = granules_for(bytes);
  if (granules > m_free_granules)
    return {};
  uint32_t run = find(granules);
  if (run == kNone)
    return {};
  take(run, granules);
  return {run * kGranule, bytes};
}

ArenaExtent SendArena::allocate_up_to(uint32_t minimum, uint32_t maximum, uint64_t kept)
{
  if (minimum == 0 || maximum < minimum)
    return {};
  std::lock_guard lock(m_mutex);
  uint64_t free = static_cast<uint64_t>(m_free_granules) * kGranule, spare = free > kept ? (free - kept) / kGranule * kGranule : 0;
  maximum = static_cast<uint32_t>(std::min<uint64_t>(maximum, spare));
  if (maximum < minimum)
    return {};
  uint32_t run = find(granules_for(maximum));
  if (run == kNone)
    run = longest();
  if (run == kNone || m_tags[run].length < granules_for(minimum))
    return {};
  uint32_t granules = std::min(granules_for(maximum), m_tags[run].length);
  take(run, granules);
  return {run * kGranule, static_cast<uint32_t>(std::min<uint64_t>(maximum, static_cast<uint64_t>(granules) * kGranule))};
}

void SendArena::release(ArenaExtent extent)
{
  if (extent.length == 0)
    return;
  std::lock_guard lock(m_mutex);
  uint32_t first = extent.offset / kGranule, length = granules_for(extent.length);
  m_free_granules += length;
  uint32_t after = first + length;
  if (after < m_granules && m_tags[after].is_free) {
    unlink(after);
    length += m_tags[after].length;
  }
  if (first > 0 && m_tags[first - 1].is_free) {
    uint32_t before = first - m_tags[first - 1].length;
    unlink(before);
    length += first - before;
    first = before;
  }
  mark(first, length, true);
  link(first);
}

uint64_t SendArena::free_bytes() const
{
  std::lock_guard lock(m_mutex);
  return static_cast<uint64_t>(m_free_granules) * kGranule;
}

}
