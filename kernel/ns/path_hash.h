// SPDX-License-Identifier: GPL-3.0-or-later
// PathHash: of a path, unit by unit, so that those of all its beginnings cost one pass. A polynomial modulo 2^61 - 1 at a place that is
// secret: who does not know it finds paths of the same hash only by luck.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace httpsys::ns {

class PathHash {
public:
  void add(char16_t unit);
  size_t value() const { return m_value; }

private:
  uint64_t m_value = 0;
};

size_t hash_path(std::u16string_view path);

}
