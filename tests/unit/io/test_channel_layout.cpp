// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/channel_layout.h"
#include <bit>
#include <cstring>
#include <doctest/doctest.h>
#include <random>

using namespace httpsys;
using namespace httpsys::io;

TEST_CASE("sizes of a channel")
{
  struct Case {
    ChannelOpenRequest asked;
    uint32_t sq, cq;
    uint64_t rx, tx;
  };
  const uint64_t least = HSYS_ARENA_BYTES_MIN, most = HSYS_ARENA_BYTES_MAX, standard = HSYS_ARENA_BYTES_DEFAULT;
  const Case cases[] = {
    {{0, 0, 0, 0}, HSYS_SQ_ENTRIES_DEFAULT, HSYS_CQ_ENTRIES_DEFAULT, standard, standard},
    {{1, 1, 1, 1}, 1, HSYS_CQ_ENTRIES_MIN, least, least},
    {{3, 257, HSYS_ARENA_BYTES_MIN - 1, HSYS_ARENA_BYTES_MIN}, 4, 512, least, least},
    {{4096, 65536, HSYS_ARENA_BYTES_MAX, HSYS_ARENA_BYTES_MAX}, 4096, 65536, most, most},
    {{4097, 65537, HSYS_ARENA_BYTES_MAX + 1, UINT32_MAX}, 4096, 65536, most, most},
    {{UINT32_MAX, UINT32_MAX, UINT32_MAX, 0}, 4096, 65536, most, standard},
    {{256, 256, HSYS_ARENA_BYTES_MIN + 1, 0}, 256, 256, least + HSYS_BLOCK_MAX, standard},
  };
  for (const Case &row : cases) {
    CAPTURE(row.asked.sq_entries);
    CAPTURE(row.asked.rx_bytes);
    auto sizes = choose_sizes(row.asked);
    CHECK(sizes.sq_entries == row.sq);
    CHECK(sizes.cq_entries == row.cq);
    CHECK(sizes.rx_bytes == row.rx);
    CHECK(sizes.tx_bytes == row.tx);
    CHECK(sizes.ret_entries >= row.rx / HSYS_BLOCK_MIN);
  }
}

TEST_CASE("areas of a channel lie behind one another")
{
  std::mt19937 random(5);
  for (int round = 0; round < 2000; round++) {
    auto word = [&] { return static_cast<uint32_t>(random() >> random() % 32); };
    auto geometry = make_geometry(choose_sizes({word(), word(), word(), word()}), 7, 8);
    REQUIRE(geometry.epoch == 7);
    REQUIRE(geometry.session == 8);
    for (uint32_t entries : {geometry.sq_entries, geometry.cq_entries, geometry.ret_entries})
      REQUIRE(std::has_single_bit(entries));
    REQUIRE(geometry.cq_offset >= sizeof(hsys_kpage));
    REQUIRE(geometry.rx_offset >= geometry.cq_offset + geometry.cq_entries * sizeof(hsys_cqe));
    REQUIRE(geometry.rx_offset % HSYS_PAGE == 0);
    REQUIRE(geometry.ktou_bytes == geometry.rx_offset + geometry.rx_bytes);
    REQUIRE(geometry.ktou_bytes % HSYS_PAGE == 0);
    REQUIRE(geometry.rx_bytes % HSYS_BLOCK_MAX == 0);
    REQUIRE(geometry.sq_offset >= sizeof(hsys_upage));
    REQUIRE(geometry.ret_offset >= geometry.sq_offset + geometry.sq_entries * sizeof(hsys_sqe));
    REQUIRE(geometry.ret_offset % sizeof(uint32_t) == 0);
    REQUIRE(geometry.tx_offset >= geometry.ret_offset + geometry.ret_entries * sizeof(uint32_t));
    REQUIRE(geometry.tx_offset % HSYS_PAGE == 0);
    REQUIRE(geometry.utok_bytes == geometry.tx_offset + geometry.tx_bytes);
    REQUIRE(geometry.utok_bytes % HSYS_PAGE == 0);
  }
}

TEST_CASE("first pages at birth: a new channel is cold, the other wake words are not armed")
{
  auto geometry = make_geometry(choose_sizes({0, 0, 0, 0}), 1, 2);
  hsys_kpage kpage;
  hsys_upage upage;
  auto kpage_bytes = initial_kpage(geometry, 0), upage_bytes = initial_upage(0);
  REQUIRE(kpage_bytes.size() == sizeof kpage);
  REQUIRE(upage_bytes.size() == sizeof upage);
  std::memcpy(&kpage, kpage_bytes.data(), sizeof kpage);
  std::memcpy(&upage, upage_bytes.data(), sizeof upage);
  CHECK(std::memcmp(&kpage.geometry, &geometry, sizeof geometry) == 0);
  CHECK(kpage.sq_head == 0);
  CHECK(kpage.cq_tail == 0);
  CHECK(kpage.sq_wake == HSYS_WAKE_INITIAL_SQ);
  CHECK(kpage.ret_wake == HSYS_WAKE_DISARMED);
  CHECK(kpage.state == HSYS_CHANNEL_RUNNING);
  CHECK(upage.sq_tail == 0);
  CHECK(upage.cq_wake == HSYS_WAKE_DISARMED);
  CHECK(upage.space_wake == HSYS_WAKE_DISARMED);
}
