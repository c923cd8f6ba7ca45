// SPDX-License-Identifier: GPL-3.0-or-later
// What the kernel says of this process' memory. For tests.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

namespace httpsys::test {

// The flags of the mapping that holds address, from /proc/self/smaps: "VmFlags: rd wr ... lo ".
inline std::string flags_of(const void *address)
{
  std::ifstream file("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    unsigned long from = 0, to = 0;
    char dash = 0;
    std::istringstream head(line);
    if (head >> std::hex >> from >> dash >> to && dash == '-')
      inside = from <= reinterpret_cast<unsigned long>(address) && reinterpret_cast<unsigned long>(address) < to;
    else if (inside && line.starts_with("VmFlags:"))
      return line + " ";
  }
  return "";
}

// Whether these bytes are in memory that is locked and left out of core files and of children.
inline bool is_in_secret_memory(std::span<const uint8_t> bytes)
{
  std::ifstream file("/proc/self/smaps");
  std::span<const uint8_t> mapping;
  for (std::string line; std::getline(file, line);) {
    unsigned long from = 0, to = 0;
    char dash = 0;
    std::istringstream head(line);
    if (head >> std::hex >> from >> dash >> to && dash == '-') {
      mapping = {reinterpret_cast<const uint8_t *>(from), to - from};
    } else if (line.starts_with("VmFlags: rd ")) {
      line += " ";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) // sanitizers ignore mlock
      const std::array flags{" dd ", " dc "};
#else
      const std::array flags{" lo ", " dd ", " dc "};
#endif
      if (std::ranges::all_of(flags, [&line](const char *flag) { return line.find(flag) != line.npos; }) &&
          !std::ranges::search(mapping, bytes).empty())
        return true;
    }
  }
  return false;
}

}
