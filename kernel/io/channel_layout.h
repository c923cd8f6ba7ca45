// SPDX-License-Identifier: GPL-3.0-or-later
// Where everything lies in a channel's two regions, and what their first pages hold at birth. Pure functions; any core.
#pragma once
#include "kernel/io/control_protocol.h"
#include "uapi/ring.h"

namespace httpsys::io {

// What CHANNEL_OPEN leads to: zero becomes the default, ring sizes are rounded up to powers of two, arenas to whole
// blocks; what is too small or too large becomes the least or the most that there is.
struct ChannelSizes {
  uint32_t sq_entries, cq_entries;
  uint32_t ret_entries; // one for each granule of the receive arena: it can't run over
  uint64_t rx_bytes, tx_bytes;
};
ChannelSizes choose_sizes(const ChannelOpenRequest &request);

hsys_geometry make_geometry(const ChannelSizes &sizes, uint64_t epoch, uint64_t session);

// First pages. Indices start at first_index: 0, but for tests that want to see them wrap.
std::vector<uint8_t> initial_kpage(const hsys_geometry &geometry, uint32_t first_index);
std::vector<uint8_t> initial_upage(uint32_t first_index);

}
