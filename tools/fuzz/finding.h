// SPDX-License-Identifier: GPL-3.0-or-later
// Finding: what must never happen, seen. Thrown out of a run, which it ends.
#pragma once
#include <cstdint>
#include <string>

namespace httpsys::fuzz {

struct Finding {
  // "died", "hung", "leaked", "mixed", "twice", "never", "sealed", "accepted", "unbounded", "read twice", "refused others",
  // "not conserved"
  const char *kind;
  std::string text; // one line
};

// Thrown where this program lacks what an attack takes, its own descriptors or its share of the daemon: that says nothing about the daemon.
struct Hindered {
  std::string why; // a sentence without full stop
};

struct Counts {
  uint64_t steps = 0;
  uint64_t admitted = 0; // operations that the daemon has completed without calling them invalid
  uint64_t refused = 0;  // operations, channels and sessions that it has refused
  uint64_t revoked = 0;  // sessions
  uint64_t answers = 0;  // a hash of what operations ended with, in their order

  void add(const Counts &other)
  {
    steps += other.steps;
    admitted += other.admitted;
    refused += other.refused;
    revoked += other.revoked;
  }
  // What a run has done nothing of, and so cannot have looked at; null: it has done some of all.
  const char *lacks() const
  {
    return admitted == 0 ? "admitted an operation" : refused == 0 ? "refused anything" : revoked == 0 ? "cut a session off" : nullptr;
  }
};

}
