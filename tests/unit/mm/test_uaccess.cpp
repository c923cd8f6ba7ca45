// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/mm/uaccess.h"
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>
#include <vector>

using namespace httpsys;
using namespace httpsys::mm;

namespace {

constexpr uint64_t kBytes = 8192;

struct Fixture {
  RefPtr<SharedRegion> region = SharedRegion::create("test-uaccess", kBytes, SharedRegion::Writer::Client).release_value();
  UserMemory memory{region};
  // As the client does it.
  void write(uint64_t offset, const void *bytes, size_t size)
  {
    REQUIRE(pwrite(region->descriptor(), bytes, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size));
  }
};

}

TEST_CASE_FIXTURE(Fixture, "words are read as the client wrote them")
{
  uint32_t word = 0xfedcba98u;
  write(128, &word, sizeof word);
  CHECK(memory.load_index(128) == word);
  CHECK(memory.load_index_seq_cst(128) == word);
  word = 7;
  write(kBytes - 4, &word, sizeof word);
  CHECK(memory.load_index(kBytes - 4) == 7);
}

TEST_CASE_FIXTURE(Fixture, "copies lie in the region, or are refused without being touched")
{
  struct Row {
    uint64_t offset;
    size_t size;
    bool good;
  };
  static constexpr Row rows[] = {
      {0, 0, true},           {0, kBytes, true},         {kBytes - 1, 1, true}, {kBytes, 0, true},
      {kBytes, 1, false},     {kBytes - 1, 2, false},    {1, kBytes, false},    {kBytes + 1, 0, false},
      {UINT64_MAX, 1, false}, {UINT64_MAX - 3, 8, false}};
  write(kBytes - 1, "z", 1);
  for (auto [offset, size, good] : rows) {
    CAPTURE(offset);
    CAPTURE(size);
    std::vector<uint8_t> copy(size, 0xaa);
    CHECK(static_cast<bool>(memory.copy_in(offset, copy)) == good);
    if (!good && size)
      CHECK(copy[0] == 0xaa);
    if (good && offset + size == kBytes && size)
      CHECK(copy.back() == 'z');
  }
}

TEST_CASE_FIXTURE(Fixture, "body bytes lie in their area, or are refused")
{
  struct Row {
    uint64_t offset, length;
    bool good;
  };
  static constexpr Row rows[] = {{4096, 0, true},
                                 {4096, 1024, true},
                                 {5119, 1, true},
                                 {5120, 0, true},
                                 {5120, 1, false},
                                 {5119, 2, false},
                                 {4095, 1, false},
                                 {4095, 2, false},
                                 {0, 1, false},
                                 {4097, 1024, false},
                                 {UINT64_MAX, 2, false},
                                 {4096, UINT64_MAX, false},
                                 {5000, UINT64_MAX - 4999, false}};
  for (auto [offset, length, good] : rows) {
    CAPTURE(offset);
    CAPTURE(length);
    auto span = memory.body_span(4096, 1024, offset, length);
    CHECK(span.has_value() == good);
    if (span)
      CHECK(span->size() == length);
  }
  write(4100, "body", 4);
  auto span = memory.body_span(4096, 1024, 4100, 4);
  REQUIRE(span);
  CHECK(std::memcmp(span->data(), "body", 4) == 0);
}

TEST_CASE_FIXTURE(Fixture, "pages that the client removes read as zeros (trust rule T9)")
{
  write(4096, "secret", 6);
  REQUIRE(fallocate(region->descriptor(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBytes) == 0);
  uint8_t copy[6] = {1, 1, 1, 1, 1, 1};
  CHECK(memory.copy_in(4096, copy));
  CHECK(copy[0] == 0);
  CHECK(memory.load_index(0) == 0);
}

TEST_CASE("a region lives as long as its last holder")
{
  UserMemory memory;
  int descriptor = -1;
  {
    auto region = SharedRegion::create("test-life", kBytes, SharedRegion::Writer::Client).release_value();
    descriptor = region->descriptor();
    memory = UserMemory(region);
  }
  CHECK(memory.load_index(0) == 0);
  memory = {};
  CHECK(fcntl(descriptor, F_GETFD) == -1);
}
