// SPDX-License-Identifier: GPL-3.0-or-later
// Marks: 16 bytes in everything that belongs to one client of a run, so that bytes which went astray tell on themselves. They are numbered,
// and known by their number, so that a run of days needs no more memory. One for all runs against one daemon, whatever thread runs them.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace httpsys::fuzz {

// Whether there is a mark in these bytes that is not the asker's.
using IsForeign = std::function<bool(std::span<const uint8_t>)>;

class Marks {
public:
  static constexpr size_t kBytes = 16;

  std::string make();
  // Those that were given out last count: what a client has damaged of its own shall not be taken for one that somebody had long ago.
  bool has_foreign(const std::string &own, std::span<const uint8_t> bytes) const;
  IsForeign foreign_to(const std::string &own) const
  {
    return [this, own](std::span<const uint8_t> bytes) { return has_foreign(own, bytes); };
  }

private:
  std::atomic<uint32_t> m_last{0};
};

}
