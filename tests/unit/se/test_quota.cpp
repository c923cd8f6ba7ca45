// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/se/quota.h"
#include "kernel/se/access.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::se;

namespace {

constexpr Resource kThings{"things", "Urls", 10, "kThings", false, &Config::Clients::urls};
constexpr Resource kMemory{"bytes", "ChannelBytes", 1000, "kMemory", true, &Config::Clients::channel_bytes};

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
  CHECK(quota.refusal(last, 3) == "the daemon has 8 things, 3 more are wanted, and may have 10 (kThings)");
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
  static constexpr Resource kMany{"things", "Urls", 320, "kMany", false, &Config::Clients::urls};
  Quota quota(kMany), few(kThings);
  quota.take({1000, 1}, 320);
  CHECK(quota.refusal({1001, 2}) == "the daemon has 320 things, and may have 320 (kMany)");
  CHECK_FALSE(quota.refusal({0, 3}, 5));
  CHECK(quota.refusal({0, 3}, 6) == "the daemon has 320 things, 6 more are wanted, and may have 325 (kMany)");
  quota.give({1000, 1}, 320);
  few.take({1000, 1}, 10);
  CHECK_FALSE(few.refusal({0, 3}, 4));
  CHECK(few.refusal({0, 3}, 5));
  few.give({1000, 1}, 10);
}

TEST_CASE("all channels together have as much memory as is set, a user half of it, a process a quarter")
{
  Config::Clients clients;
  clients.channel_bytes = {UINT64_MAX, UINT64_MAX};
  clients.channel_bytes_total = 64'000'000;
  Shares shares(clients);
  Quota quota(kChannelBytes);
  const Client one{1000, 1}, two{1000, 2}, three{1000, 3}, other{1001, 4}, same{1001, 5}, last{1002, 6};
  CHECK_FALSE(quota.refusal(one, 16'000'000));
  CHECK(quota.refusal(one, 16'000'001) == "this process has 0 bytes of channels, 16000001 more are wanted, and may have 16000000 "
                                          "(a quarter of what ChannelBytesTotal in httpsys.toml allows)");
  quota.take(one, 16'000'000);
  quota.take(two, 16'000'000);
  CHECK(quota.refusal(three) ==
        "uid 1000 has 32000000 bytes of channels, and may have 32000000 (half of what ChannelBytesTotal in httpsys.toml allows)");
  quota.take(other, 16'000'000);
  quota.take(same, 15'999'000);
  CHECK_FALSE(quota.refusal(last, 1000));
  CHECK(quota.refusal(last, 1001) == "the daemon has 63999000 bytes of channels, 1001 more are wanted, and may have 64000000 "
                                     "(ChannelBytesTotal in httpsys.toml)");
  // One in 64 would be less than one channel.
  CHECK_FALSE(quota.refusal({0, 7}, limits::kDefaultChannelBytes + 1000));
  CHECK(quota.refusal({0, 7}, limits::kDefaultChannelBytes + 1001));
  clients.channel_bytes_total = 0;
  set_shares(clients);
  CHECK_FALSE(quota.refusal(last, UINT64_MAX / 2));
}

TEST_CASE("what decides is named: the descriptors, or the constant where there are more of them")
{
  Config::Clients clients;
  clients.sessions = {UINT64_MAX, UINT64_MAX};
  clients.sessions_total = limits::kSessions - 1;
  Shares shares(clients);
  Quota sessions(kSessions), urls(kUrls);
  sessions.take({1000, 1}, limits::kSessions / 2);
  sessions.take({1001, 2}, limits::kSessions / 2 - 1);
  CHECK(sessions.refusal({1002, 3}) == "the daemon has 1023 sessions, and may have 1023 (RLIMIT_NOFILE)");
  CHECK(sessions.refusal({1002, 3}, 256) ==
        "this process has 0 sessions, 256 more are wanted, and may have 255 (a quarter of what RLIMIT_NOFILE allows)");
  clients.sessions_total = limits::kSessions;
  set_shares(clients);
  CHECK_FALSE(sessions.refusal({1002, 3}));
  sessions.take({1002, 3});
  CHECK(sessions.refusal({1002, 3}) == "the daemon has 1024 sessions, and may have 1024 (kSessions)");
  CHECK(sessions.refusal({1002, 3}, 256) ==
        "this process has 1 sessions, 256 more are wanted, and may have 256 (a quarter of what kSessions allows)");
  clients.urls = {UINT64_MAX, UINT64_MAX};
  set_shares(clients);
  CHECK(urls.refusal({1000, 1}, limits::kUrls + 1) ==
        "the daemon has 0 registered URLs, 16385 more are wanted, and may have 16384 (kUrls)");
}

TEST_CASE("with few descriptors there are few sessions, and with little memory a channel is still to be had")
{
  Config::Clients clients;
  clients.sessions_total = 12;
  clients.channel_bytes_total = 3 * limits::kDefaultChannelBytes;
  Shares shares(clients);
  Quota sessions(kSessions), bytes(kChannelBytes);
  sessions.take({1000, 1}, 3);
  CHECK(sessions.refusal({1000, 1}) == "this process has 3 sessions, and may have 3 (a quarter of what RLIMIT_NOFILE allows)");
  sessions.take({1000, 2}, 3);
  CHECK(sessions.refusal({1000, 3}) == "uid 1000 has 6 sessions, and may have 6 (half of what RLIMIT_NOFILE allows)");
  sessions.take({1001, 4}, 6);
  CHECK(sessions.refusal({1002, 5}) == "the daemon has 12 sessions, and may have 12 (RLIMIT_NOFILE)");
  CHECK_FALSE(sessions.refusal({0, 6}, 3));
  sessions.take({0, 7}, 3);
  CHECK_FALSE(sessions.refusal({0, 6}));
  CHECK(sessions.refusal({0, 6}, 2));
  for (uint32_t uid : {1000u, 1001u, 1002u}) {
    CHECK_FALSE(bytes.refusal({uid, uid}, limits::kDefaultChannelBytes));
    CHECK(bytes.refusal({uid, uid}, limits::kDefaultChannelBytes + 1));
    bytes.take({uid, uid}, limits::kDefaultChannelBytes);
  }
  CHECK(bytes.refusal({1003, 1003}));
}

TEST_CASE("a process that the daemon does not see is one for each of its sessions")
{
  CHECK(client_of(1000, 7, 1).process == client_of(1000, 7, 2).process);
  CHECK(client_of(1000, 7, 1).process != client_of(1001, 7, 1).process); // what a dead one left behind is no other user's
  CHECK(client_of(1000, 0, 1).process != client_of(1000, 0, 2).process);
  CHECK(client_of(1000, 0, 7).process != client_of(1000, 7, 1).process);
}
