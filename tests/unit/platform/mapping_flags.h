// SPDX-License-Identifier: GPL-3.0-or-later
// What the kernel says of this process' memory. For tests.
#pragma once
#include <fstream>
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

}
