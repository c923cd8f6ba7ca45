// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/channel_layout.h"
#include <algorithm>
#include <bit>
#include <cstring>

namespace httpsys::io {

static uint32_t ring_entries(uint32_t asked, uint32_t standard, uint32_t least, uint32_t most)
{
  return std::bit_ceil(std::clamp(asked == 0 ? standard : asked, least, most));
}

static uint64_t arena_bytes(uint32_t asked)
{
  uint64_t bytes = std::clamp(asked == 0 ? HSYS_ARENA_BYTES_DEFAULT : asked, HSYS_ARENA_BYTES_MIN, HSYS_ARENA_BYTES_MAX);
  return (bytes + HSYS_BLOCK_MAX - 1) / HSYS_BLOCK_MAX * HSYS_BLOCK_MAX;
}

static uint64_t page_up(uint64_t offset)
{
  return (offset + HSYS_PAGE - 1) / HSYS_PAGE * HSYS_PAGE;
}

ChannelSizes choose_sizes(const ChannelOpenRequest &request)
{
  ChannelSizes sizes{};
  sizes.sq_entries = ring_entries(request.sq_entries, HSYS_SQ_ENTRIES_DEFAULT, 1, HSYS_SQ_ENTRIES_MAX);
  sizes.cq_entries = ring_entries(request.cq_entries, HSYS_CQ_ENTRIES_DEFAULT, HSYS_CQ_ENTRIES_MIN, HSYS_CQ_ENTRIES_MAX);
  sizes.rx_bytes = arena_bytes(request.rx_bytes);
  sizes.tx_bytes = arena_bytes(request.tx_bytes);
  sizes.ret_entries = std::bit_ceil(static_cast<uint32_t>(sizes.rx_bytes / HSYS_BLOCK_MIN));
  return sizes;
}

hsys_geometry make_geometry(const ChannelSizes &sizes, uint64_t epoch, uint64_t session)
{
  hsys_geometry geometry{};
  geometry.magic = HSYS_CHANNEL_MAGIC;
  geometry.abi_major = HSYS_ABI_MAJOR;
  geometry.abi_minor = HSYS_ABI_MINOR;
  geometry.epoch = epoch;
  geometry.features = HSYS_FEATURES;
  geometry.session = session;
  geometry.sq_entries = sizes.sq_entries;
  geometry.cq_entries = sizes.cq_entries;
  geometry.ret_entries = sizes.ret_entries;
  geometry.cq_offset = HSYS_PAGE;
  geometry.rx_offset = page_up(geometry.cq_offset + uint64_t{sizes.cq_entries} * sizeof(hsys_cqe));
  geometry.rx_bytes = sizes.rx_bytes;
  geometry.ktou_bytes = geometry.rx_offset + geometry.rx_bytes;
  geometry.sq_offset = HSYS_PAGE;
  geometry.ret_offset = geometry.sq_offset + uint64_t{sizes.sq_entries} * sizeof(hsys_sqe);
  geometry.tx_offset = page_up(geometry.ret_offset + uint64_t{sizes.ret_entries} * sizeof(uint32_t));
  geometry.tx_bytes = sizes.tx_bytes;
  geometry.utok_bytes = geometry.tx_offset + geometry.tx_bytes;
  return geometry;
}

template <typename Page>
static std::vector<uint8_t> page_bytes(const Page &page)
{
  std::vector<uint8_t> bytes(sizeof page);
  std::memcpy(bytes.data(), &page, sizeof page);
  return bytes;
}

// A wake word equal to an index is armed at it; HSYS_WAKE_INITIAL_SQ and HSYS_WAKE_DISARMED are what this makes of
// indices from 0.
std::vector<uint8_t> initial_kpage(const hsys_geometry &geometry, uint32_t first_index)
{
  hsys_kpage page{};
  page.geometry = geometry;
  page.sq_head = page.cq_tail = page.ret_head = first_index;
  page.sq_wake = first_index + HSYS_WAKE_INITIAL_SQ;
  page.ret_wake = first_index + HSYS_WAKE_DISARMED;
  page.state = HSYS_CHANNEL_RUNNING;
  return page_bytes(page);
}

std::vector<uint8_t> initial_upage(uint32_t first_index)
{
  hsys_upage page{};
  page.sq_tail = page.cq_head = page.ret_tail = first_index;
  page.cq_wake = page.space_wake = first_index + HSYS_WAKE_DISARMED;
  return page_bytes(page);
}

}
