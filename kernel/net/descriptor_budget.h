// SPDX-License-Identifier: GPL-3.0-or-later
// How the process's descriptors are shared out, so that neither connections nor one user's sessions or ports lock out httpsysctl and other
// applications.
#pragma once
#include <cstdint>
#include <optional>

namespace httpsys::net {

struct DescriptorBudget {
  uint64_t connections; // and listening sockets, which are to be taken off
  uint64_t ports;       // of all users, for administrators a few more; each has four listening sockets at most
  uint64_t sessions;    // the same
  uint64_t closing;     // control sockets that wait for their close
};

// limit: RLIMIT_NOFILE. open: descriptors that the daemon has when it begins to listen.
// nullopt: so few that the daemon should not start.
std::optional<DescriptorBudget> descriptor_budget(uint64_t limit, uint64_t open);

}
