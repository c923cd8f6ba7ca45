// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/key_memory.h"
#include "kernel/limits.h"
#include "tests/unit/platform/mapping_flags.h"
#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace httpsys;
using namespace httpsys::platform;
using httpsys::test::flags_of;

TEST_CASE("a key's memory is locked, left out of core files and children, and between pages that nobody may touch")
{
  void *key = allocate_key_memory(1200);
  REQUIRE(key != nullptr);
  std::memset(key, 0x5a, 1200);
  auto flags = flags_of(key);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // sanitizers ignore mlock
  CHECK(flags.find(" lo ") != std::string::npos);
#endif
  CHECK(flags.find(" dd ") != std::string::npos);
  CHECK(flags.find(" dc ") != std::string::npos);
  const auto range = key_memory_range();
  CHECK(range.begin <= key);
  CHECK(static_cast<char *>(key) + 1200 <= range.end);
  CHECK(flags_of(range.begin - 1).find(" rd ") == std::string::npos);
  CHECK(flags_of(range.end).find(" rd ") == std::string::npos);
  free_key_memory(key);
}

TEST_CASE("a key is wiped when it is freed, and its place is used again")
{
  auto *key = static_cast<unsigned char *>(allocate_key_memory(2000));
  REQUIRE(key_memory_size(key) == 2048);
  std::fill_n(key, 2048, static_cast<unsigned char>(0x5a));
  free_key_memory(key);
  // It begins with the address of the next free place, any byte of which may be this one.
  CHECK(std::count(key + sizeof(void *), key + 2048, 0x5a) == 0);
  CHECK(allocate_key_memory(1025) == key);
  free_key_memory(key);
}

TEST_CASE("every size has a place that is large enough, and no two share one")
{
  std::vector<char *> keys;
  for (size_t bytes : {size_t{1}, size_t{512}, size_t{513}, size_t{1024}, size_t{1025}, size_t{16385},
                       limits::kKeyMemoryPiece})
    for (int i = 0; i < 3; i++) {
      keys.push_back(static_cast<char *>(allocate_key_memory(bytes)));
      REQUIRE(keys.back() != nullptr);
      CHECK(key_memory_size(keys.back()) >= bytes);
    }
  std::sort(keys.begin(), keys.end());
  for (size_t i = 1; i < keys.size(); i++)
    CHECK(keys[i - 1] + key_memory_size(keys[i - 1]) <= keys[i]);
  for (char *key : keys)
    free_key_memory(key);
  CHECK(allocate_key_memory(limits::kKeyMemoryPiece + 1) == nullptr);
}

TEST_CASE("there is so much of it and no more; what was freed can be had again")
{
  std::vector<void *> keys;
  while (void *key = allocate_key_memory(limits::kKeyMemoryPiece))
    keys.push_back(key);
  CHECK(keys.size() <= limits::kKeyMemoryBytes / limits::kKeyMemoryPiece);
  CHECK(keys.size() > limits::kKeyMemoryBytes / limits::kKeyMemoryPiece / 2);
  CHECK(allocate_key_memory(40000) == nullptr);
  free_key_memory(keys.back());
  keys.back() = allocate_key_memory(40000);
  CHECK(keys.back() != nullptr);
  for (void *key : keys)
    free_key_memory(key);
}
