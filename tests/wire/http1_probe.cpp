// SPDX-License-Identifier: GPL-3.0-or-later
// Reads connections from standard input (little-endian 32-bit length, then the bytes) and prints our verdict about each, one a line.
#include "tests/wire/verdict.h"
#include <cstdio>

int main()
{
  unsigned char size[4];
  while (std::fread(size, 1, sizeof size, stdin) == sizeof size) {
    size_t length = size[0] | static_cast<size_t>(size[1]) << 8 | static_cast<size_t>(size[2]) << 16 | static_cast<size_t>(size[3]) << 24;
    std::string bytes(length, '\0');
    if (std::fread(bytes.data(), 1, length, stdin) != length)
      return 1;
    std::string whole = verdict_of(bytes, {}, 0);
    std::string pieces = verdict_of(bytes, {}, 3);
    std::puts(whole == pieces ? whole.c_str() : (whole + " BUT IN PIECES " + pieces).c_str());
  }
  return 0;
}
