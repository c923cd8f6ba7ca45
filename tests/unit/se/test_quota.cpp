// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/se/quota.h"
#include "kernel/se/access.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::se;

namespace {

constexpr Resource kThings{"things", "Urls", 10, false, &Config::Clients::urls};
constexpr Resource kMemory{"bytes", "ChannelBytes", 1000, true, &Config::Clients::channel_bytes};

// Shares for one test; the built-in ones afterwards.
class Shares {
public:
  explicit Shares(const Config::Clients &clients) { set_shares(clients); }
  ~Shares() { set_shares({}); }
};

}

TEST_CASE("the bound that is reached first is the one that is named")
{
  Config::Clients clients;
  clients.urls = {5, 3};
  Shares shares(clients);
  Quota quota(kThings);
  const Client one{1000, 1}, two{1000, 2}, other{1001, 3}, last{1002, 4};
  quota.take(one, 3);
  CHECK(quota.refusal(one) == "this process has 3 things, and may have 3 (UrlsPerProcess in httpsys.toml)");
  CHECK(quota.refusal(two, 3) == "uid 1000 has 3 things, 3 more are wanted, and may have 5 (UrlsPerUser in httpsys.toml)");
  CHECK_FALSE(quota.refusal(two, 2));
  quota.take(two, 2);
  quota.take(other, 3);
  CHECK_FALSE(quota.refusal(last, 2));
  CHECK(quota.refusal(last, 3) == "the daemon has 8 things, 3 more are wanted, and may have 10");
  quota.give(one);
  CHECK_FALSE(quota.refusal(one));
  quota.give(one, 2);
  quota.give(two, 2);
  quota.give(other, 3);
  CHECK(quota.count() == 0);
}

TEST_CASE("no number wraps")
{
  Config::Clients clients;
  clients.channel_bytes = {UINT64_MAX, UINT64_MAX};
  Shares shares(clients);
  Quota quota(kMemory);
  quota.take({1000, 1}, 999);
  CHECK(quota.refusal({1000, 1}, UINT64_MAX));
  CHECK(quota.refusal({1000, 1}, UINT64_MAX - 999));
  CHECK(quota.refusal({1000, 1}, 2));
  CHECK_FALSE(quota.refusal({1000, 1}, 1));
  quota.give({1000, 1}, 999);
}

TEST_CASE("administrators are bound per user where it is memory, and per process everywhere")
{
  set_daemon_uid(990);
  Config::Clients clients;
  clients.urls = {1, 2};
  clients.channel_bytes = {1, 2};
  Shares shares(clients);
  Quota things(kThings), memory(kMemory);
  for (uint32_t uid : {0u, 990u}) {
    CHECK_FALSE(things.refusal({uid, 1}, 2));
    CHECK(things.refusal({uid, 1}, 3));
    CHECK_FALSE(memory.refusal({uid, 1}, 1));
    CHECK(memory.refusal({uid, 1}, 2));
  }
  set_daemon_uid(0);
}

TEST_CASE("administrators get in when users have all that there may be")
{
  static constexpr Resource kMany{"things", "Urls", 128, false, &Config::Clients::urls};
  Quota quota(kMany);
  quota.take({1000, 1}, 128);
  CHECK(quota.refusal({1001, 2}) == "the daemon has 128 things, and may have 128");
  CHECK_FALSE(quota.refusal({0, 3}, 2));
  CHECK(quota.refusal({0, 3}, 3) == "the daemon has 128 things, 3 more are wanted, and may have 130");
  quota.give({1000, 1}, 128);
}

TEST_CASE("all channels together have as much memory as is set")
{
  Config::Clients clients;
  clients.channel_bytes = {UINT64_MAX, UINT64_MAX};
  clients.channel_bytes_total = 6400;
  Shares shares(clients);
  Quota quota(kChannelBytes);
  quota.take({1000, 1}, 6000);
  CHECK_FALSE(quota.refusal({1001, 2}, 400));
  CHECK(quota.refusal({1001, 2}, 401) ==
        "the daemon has 6000 bytes of channels, 401 more are wanted, and may have 6400 (ChannelBytesTotal in httpsys.toml)");
  CHECK_FALSE(quota.refusal({0, 3}, 500));
  CHECK(quota.refusal({0, 3}, 501));
  clients.channel_bytes_total = 0;
  set_shares(clients);
  CHECK_FALSE(quota.refusal({1001, 2}, UINT64_MAX / 2));
  quota.give({1000, 1}, 6000);
}

TEST_CASE("a process that the daemon does not see is one for each of its sessions")
{
  CHECK(client_of(1000, 7, 1).process == client_of(1000, 7, 2).process);
  CHECK(client_of(1000, 7, 1).process != client_of(1001, 7, 1).process); // what a dead one left behind is no other user's
  CHECK(client_of(1000, 0, 1).process != client_of(1000, 0, 2).process);
  CHECK(client_of(1000, 0, 7).process != client_of(1000, 7, 1).process);
}
