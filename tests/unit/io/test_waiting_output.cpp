// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/waiting_output.h"
#include "uapi/abi.h"
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace httpsys;
using namespace httpsys::io;

TEST_CASE("waiting results are counted for the process and for the user, whatever their channels")
{
  Config::Clients clients;
  clients.waiting_output_bytes = {100, 60};
  se::set_shares(clients);
  WaitingOutputs all;
  WaitingOutput first = all.of({1000, 1}), second = all.of({1000, 1}), other = all.of({1000, 2}), stranger = all.of({1001, 3});
  CHECK(first.take(40) == nullptr);
  uint64_t most = 0;
  CHECK(second.take(21, &most) == std::string("WaitingOutputBytesPerProcess"));
  CHECK(most == 60);
  CHECK(second.take(20) == nullptr);
  CHECK(other.take(41) == std::string("WaitingOutputBytesPerUser"));
  CHECK(other.take(40) == nullptr); // nothing has stayed of what was refused
  CHECK(stranger.take(60) == nullptr);
  second.give(20);
  CHECK(other.take(20) == nullptr);
  CHECK(first.take(1) == std::string("WaitingOutputBytesPerUser"));
  se::set_shares({});
}

TEST_CASE("of what all have waiting one user has half of what others leave at most, one process a quarter, whatever the shares say")
{
  constexpr uint64_t kBlock = HSYS_BLOCK_MAX;
  const std::string total = "WaitingOutputBytesTotal";
  Config::Clients clients;
  clients.waiting_output_bytes_total = 8 * kBlock;
  se::set_shares(clients);
  WaitingOutputs all;
  WaitingOutput first = all.of({1000, 1}), second = all.of({1000, 2}), third = all.of({1000, 3});
  CHECK(first.take(2 * kBlock) == nullptr);
  CHECK(first.take(1) == total);
  CHECK(second.take(2 * kBlock) == nullptr);
  CHECK(third.take(1) == total);
  WaitingOutput others[] = {all.of({1001, 4}), all.of({1001, 5}), all.of({1002, 6})};
  CHECK(others[0].take(2 * kBlock) == nullptr);
  CHECK(others[1].take(kBlock + 1) == total);
  // Little is left; a process may have one block of results all the same.
  CHECK(others[1].take(kBlock) == nullptr);
  CHECK(others[2].take(kBlock + 1) == total);
  CHECK(others[2].take(kBlock) == nullptr);
  CHECK(others[2].take(1) == total);
  // There is some left, but not for who has most.
  first.give(kBlock);
  second.give(kBlock / 2);
  CHECK(first.take(1) == total);
  CHECK(others[2].take(kBlock / 4) == nullptr);
  // A share that is less is what holds.
  clients.waiting_output_bytes = {3 * kBlock, kBlock};
  se::set_shares(clients);
  WaitingOutputs less;
  WaitingOutput one = less.of({1000, 1});
  CHECK(one.take(kBlock + 1) == std::string("WaitingOutputBytesPerProcess"));
  CHECK(one.take(kBlock) == nullptr);
  // One block can always wait.
  clients.waiting_output_bytes_total = 1;
  se::set_shares(clients);
  WaitingOutputs least;
  WaitingOutput only = least.of({1000, 1});
  CHECK(only.take(kBlock + 1) == std::string("WaitingOutputBytesPerProcess"));
  CHECK(only.take(kBlock) == nullptr);
  se::set_shares({});
}

TEST_CASE("users who have as much waiting as they can leave some for the next one")
{
  constexpr uint64_t kBlock = HSYS_BLOCK_MAX;
  Config::Clients clients;
  clients.waiting_output_bytes_total = 64 * kBlock;
  se::set_shares(clients);
  WaitingOutputs all;
  std::vector<WaitingOutput> greedy; // counted as long as they are there
  uint64_t taken[4] = {};
  for (uint32_t user = 0; user < 4; user++) {
    for (uint64_t process = 0; process < 2; process++) {
      greedy.push_back(all.of({1000 + user, user * 2 + process + 1}));
      while (taken[user] < 64 && !greedy.back().take(kBlock))
        taken[user]++;
    }
  }
  CHECK(taken[0] == 32);
  CHECK(taken[1] == 17); // its second process has one block in any case
  CHECK(taken[2] == 8);
  CHECK(taken[3] == 4);
  WaitingOutput honest = all.of({2000, 100});
  CHECK(honest.take(kBlock * 3 / 2) == nullptr);
  REQUIRE(honest.take(kBlock / 2 + 1) != nullptr);
  CHECK(honest.take(kBlock / 2 + 1) == std::string("WaitingOutputBytesTotal"));
  se::set_shares({});
}

TEST_CASE("whoever comes back begins with what its channels still have")
{
  Config::Clients clients;
  clients.waiting_output_bytes = {100, 60};
  se::set_shares(clients);
  WaitingOutputs all;
  WaitingOutput left = all.of({1000, 1});
  {
    WaitingOutput gone = all.of({1000, 2});
    CHECK(gone.take(50) == nullptr);
    gone.give(50);
  }
  CHECK(left.take(50) == nullptr);
  WaitingOutput again = all.of({1000, 2});
  CHECK(again.take(51) == std::string("WaitingOutputBytesPerUser"));
  CHECK(again.take(50) == nullptr);
  se::set_shares({});
}
