// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/load_watch.h"
#include <cstddef>
#include <doctest/doctest.h>

using namespace httpsys::fuzz;

namespace {

constexpr uint64_t kEntries = HSYS_PAGE, kReturns = 2 * HSYS_PAGE, kArena = 3 * HSYS_PAGE;
constexpr uint64_t kSqTail = offsetof(hsys_upage, sq_tail), kRetTail = offsetof(hsys_upage, ret_tail);
constexpr uint64_t kCqHead = offsetof(hsys_upage, cq_head);

// A channel of which 64 entries and 64 returned blocks are published.
struct Client {
  std::vector<uint8_t> ktou = std::vector<uint8_t>(HSYS_PAGE), utok = std::vector<uint8_t>(4 * HSYS_PAGE);
  LoadWatch watch{{ktou.data(), utok.data(), ktou.size(), utok.size()}};

  Client()
  {
    for (size_t at = HSYS_PAGE; at < utok.size(); at++)
      utok[at] = static_cast<uint8_t>(at * 7);
    auto &geometry = reinterpret_cast<hsys_kpage *>(ktou.data())->geometry;
    geometry.sq_entries = geometry.ret_entries = 64;
    geometry.sq_offset = kEntries;
    geometry.ret_offset = kReturns;
    geometry.tx_offset = kArena;
    publish(64);
  }
  void publish(uint32_t tail)
  {
    look_anew();
    page().sq_tail = page().ret_tail = tail;
    watch.after_load(kSqTail, sizeof tail);
    watch.after_load(kRetTail, sizeof tail);
  }
  void look_anew()
  {
    watch.look_anew(kSqTail);
    watch.look_anew(kRetTail);
  }
  hsys_upage &page() { return *reinterpret_cast<hsys_upage *>(utok.data()); }
  std::string kind() const { return watch.finding() ? watch.finding()->kind : ""; }
};

}

TEST_CASE("what was read is another one until the turn is over, and then what it was")
{
  Client client;
  client.look_anew();
  const std::vector<uint8_t> before = client.utok;
  client.watch.after_load(kEntries + 64, 64);
  client.watch.after_load(kArena + 5, 100);
  client.watch.after_load(kEntries + 128, 64);
  client.watch.after_load(kArena + 50, 100); // of another operation: it may name the same bytes
  for (uint64_t at = 0; at < client.utok.size(); at++) {
    bool was_read_once = (at >= kEntries + 64 && at < kEntries + 192) || (at >= kArena + 5 && at < kArena + 50);
    if (was_read_once)
      CHECK(client.utok[at] != before[at]);
    else if (at < kArena + 50 || at >= kArena + 150)
      CHECK(client.utok[at] == before[at]);
  }
  client.utok[kEntries + 70] = static_cast<uint8_t>(client.utok[kEntries + 70] + 1); // the client's own doing
  client.watch.end_turn();
  CHECK(client.utok[kEntries + 70] != before[kEntries + 70]);
  client.utok[kEntries + 70] = before[kEntries + 70];
  CHECK(client.utok == before);
  CHECK(client.kind() == "");
}

TEST_CASE("a second read of the same bytes is a finding")
{
  SUBCASE("of an entry")
  {
    Client client;
    client.watch.after_load(kEntries, 64);
    client.watch.after_load(kEntries + 64, 64);
    CHECK(client.kind() == "");
    client.watch.after_load(kEntries, 64);
    CHECK(client.kind() == "read twice");
  }
  SUBCASE("of a block's number")
  {
    Client client;
    client.watch.after_load(kReturns + 4, 4);
    client.watch.after_load(kReturns + 4, 4);
    CHECK(client.kind() == "read twice");
  }
  SUBCASE("of parameters, in part")
  {
    Client client;
    client.watch.after_load(kEntries, 64);
    client.watch.after_load(kArena, 100);
    client.watch.after_load(kArena + 100, 8);
    CHECK(client.kind() == "");
    client.watch.after_load(kArena + 99, 1);
    CHECK(client.kind() == "read twice");
  }
  SUBCASE("but not behind a new look at the ring, and not in a later turn")
  {
    Client client;
    client.watch.after_load(kEntries, 64);
    const uint8_t covered = client.utok[kEntries];
    client.publish(64);
    CHECK(client.utok[kEntries] != covered);
    client.watch.after_load(kEntries, 64);
    client.watch.end_turn();
    client.watch.after_load(kEntries, 64);
    CHECK(client.kind() == "");
  }
}

TEST_CASE("a word of the first page is another one after its load, until the daemon looks anew or its turn is over")
{
  Client client;
  client.page().cq_head = 5;
  client.watch.look_anew(kCqHead);
  client.watch.after_load(kCqHead, 4);
  CHECK(client.page().cq_head != 5);
  CHECK(client.page().sq_tail != 64);
  SUBCASE("looked at anew, alone")
  {
    client.watch.look_anew(kCqHead);
    CHECK(client.page().cq_head == 5);
    CHECK(client.page().sq_tail != 64);
    client.watch.after_load(kCqHead, 4);
    CHECK(client.page().cq_head != 5);
    CHECK(client.kind() == "");
  }
  SUBCASE("in the next turn")
  {
    client.watch.end_turn();
    CHECK(client.page().cq_head == 5);
    CHECK(client.page().sq_tail == 64);
    client.watch.after_load(kCqHead, 4);
    CHECK(client.kind() == "");
  }
  SUBCASE("read again in the same look")
  {
    client.watch.after_load(kCqHead, 4);
    CHECK(client.kind() == "read twice");
    client.watch.end_turn();
    CHECK(client.page().cq_head == 5);
  }
}

TEST_CASE("an entry that is taken while the tail says what cannot be is a finding")
{
  Client client;
  client.publish(65);
  CHECK(client.kind() == "");
  client.watch.after_load(kEntries, 64);
  CHECK(client.kind() == "accepted");
}
