// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/waiting_output.h"
#include <doctest/doctest.h>
#include <string>

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
  CHECK(second.take(21) == std::string("WaitingOutputBytesPerProcess"));
  CHECK(second.take(20) == nullptr);
  CHECK(other.take(41) == std::string("WaitingOutputBytesPerUser"));
  CHECK(other.take(40) == nullptr); // nothing has stayed of what was refused
  CHECK(stranger.take(60) == nullptr);
  second.give(20);
  CHECK(other.take(20) == nullptr);
  CHECK(first.take(1) == std::string("WaitingOutputBytesPerUser"));
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
