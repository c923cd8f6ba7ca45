// SPDX-License-Identifier: GPL-3.0-or-later
// Conservation: between two turns of a simulated daemon's cores: does what it counts agree with what there is? Throws "not conserved".
#pragma once
#include <cstdint>
#include <optional>

namespace httpsys::fuzz {

// Credit, operations, results that wait, what users and processes are charged with. Of all cores.
void check_conservation(uint32_t cores);
// The same of the receive arenas, for which every block is looked at.
void check_arenas(uint32_t cores);
// Nobody does anything any more: handles of all channels are those that clients are charged with.
void check_handles(uint32_t cores);

// What a channel that goes on says of itself, by its session's id.
struct ChannelFacts {
  uint32_t lent, in_flight;
};
std::optional<ChannelFacts> channel_facts(uint32_t cores, uint64_t session);

}
