// SPDX-License-Identifier: GPL-3.0-or-later
// PathHash: of a path, unit by unit, so that those of all its beginnings cost one pass. A polynomial modulo 2^61 - 1 at a place that is
// secret: who does not know it finds paths of the same hash only by luck.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace httpsys::ns {

class PathHash {
public:
  void add(uint64_t unit); // below 2^60
  uint64_t value() const { return m_value; }

private:
  uint64_t m_value = 0;
};

uint64_t hash_path(std::u16string_view path);
// In the same way, of some bytes at a time.
uint64_t hash_bytes(std::string_view bytes);

// A request's path up to one of its slashes, or with one at its end.
struct PathBeginning {
  std::u16string_view path; // without that slash
  uint64_t hash;            // with it
};

// Those of a path, each found when it is asked for.
class PathBeginnings {
public:
  // Keeps the path's address; one at a time on a thread.
  explicit PathBeginnings(std::u16string_view path);
  // Those of at most so many units, and perhaps more, shortest first; the one with n slashes is at n - 1.
  const std::vector<PathBeginning> &up_to(size_t length);

private:
  std::u16string_view m_path;
  size_t m_done = 0, m_size;
  PathHash m_hash;
  std::vector<PathBeginning> &m_beginnings; // the thread's: memory that is there
};

}
