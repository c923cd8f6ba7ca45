// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/tally.h"
#include "kernel/limits.h"
#include <doctest/doctest.h>
#include <thread>
#include <vector>

using namespace httpsys;
using ke::Tally;

static std::string described(std::vector<std::pair<Tally, uint64_t>> counts)
{
  ke::Tallies all{};
  for (auto [what, number] : counts)
    all[static_cast<size_t>(what)] = number;
  return ke::describe_tallies(all, limits::kOrdinaryTallies);
}

TEST_CASE("threads count together")
{
  auto before = ke::tallies();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++)
    threads.emplace_back([] {
      for (int k = 0; k < 1000; k++)
        ke::count(Tally::HeadTime);
    });
  for (auto &thread : threads)
    thread.join();
  auto after = ke::tallies();
  for (size_t i = 0; i < after.size(); i++)
    CHECK(after[i] - before[i] == (i == static_cast<size_t>(Tally::HeadTime) ? 3000 : 0));
}

TEST_CASE("what is remarkable is told, and the rest along with it")
{
  CHECK(described({}).empty());
  CHECK(described({{Tally::InOrder, 1'000'000}, {Tally::Idle, 1'000'000}, {Tally::Cancelled, 1'000'000}}).empty());
  CHECK(described({{Tally::HeadTime, 1}}) == "1 took too long for a request head (Timer_HeaderWait)");
  CHECK(described({{Tally::HandshakeFailed, 3}, {Tally::Idle, 2}}) ==
        "2 were idle after a request (Timer_ConnectionIdle), 3 TLS handshakes failed or were broken off");
  CHECK(described({{Tally::UnusedIdle, limits::kOrdinaryTallies - 1}, {Tally::NewKeys, limits::kOrdinaryTallies - 1}}).empty());
  CHECK(described({{Tally::UnusedIdle, limits::kOrdinaryTallies}}) ==
        "1000 connections were idle without a request (Timer_ConnectionIdle)");
}

TEST_CASE("every tally has a line of its own")
{
  ke::Tallies all{};
  for (size_t i = 0; i < all.size(); i++)
    all[i] = 100 + i;
  std::string text = ke::show_tallies(all);
  for (size_t i = 0; i < all.size(); i++)
    CHECK(text.find(" : " + std::to_string(100 + i) + "\n") != text.npos);
  CHECK(text.starts_with("    Ended in order               : 100\n    Idle (Timer_ConnectionIdle)  : 101\n"));
}
