// SPDX-License-Identifier: GPL-3.0-or-later
// Quota: how much of a resource all clients have, each uid and each process of it, so that no user takes from the others all that there
// can be, and no process from the others of its user. The file's [clients] says how much a user and a process may have; administrators are
// bound per user where it is memory. Owned by whoever keeps the resource, on its core.
#pragma once
#include "kernel/base/config.h"
#include <optional>
#include <string>
#include <unordered_map>

namespace httpsys::se {

// Who has something. A process is its pid, of that user; one that the daemon does not see (of another pid namespace) has a number of its
// own for each of its sessions, see client_of().
struct Client {
  uint32_t uid = 0;
  uint64_t process = 0;
};
Client client_of(uint32_t uid, uint32_t pid, uint64_t session);

// How much there is of all, where that is not a number of the code: one user has a part of it at most (limits::kUserPart), and one process
// (limits::kProcessPart), whatever the shares say, but `least`.
struct Total {
  uint64_t Config::Clients::*most;
  const char *name; // who decides it
  uint64_t least;

  uint64_t all() const; // UINT64_MAX: no bound
};

// What a user or a process may have: its share, or one in so many of what there is, but the total's `least`.
struct Bound {
  uint64_t most;
  bool is_share; // else the total is less
};
Bound bound_of(uint64_t share, const Total &total, uint64_t all, uint64_t part);

struct Resource {
  const char *plural; // for sentences
  const char *key;    // of [clients], without "PerUser"
  uint64_t all;       // that there may be of all clients
  const char *all_name; // its constant in limits.h; nullptr: no bound
  bool is_memory;
  Config::Share Config::Clients::*share;
  std::optional<Total> total = std::nullopt; // instead of `all`, or less than it
};
// What is kept for administrators (limits::kReservePart, limits::kReserveLeast) is the total's `least` at least: a part of one channel's
// memory is no channel.
inline constexpr Resource kSessions{"sessions", "Sessions", limits::kSessions, "kSessions", false, &Config::Clients::sessions,
                                    Total{&Config::Clients::sessions_total, "RLIMIT_NOFILE", 1}};
inline constexpr Resource kPorts{"listening ports", "Ports", limits::kPorts, "kPorts", false, &Config::Clients::ports,
                                 Total{&Config::Clients::ports_total, "RLIMIT_NOFILE", 1}};
inline constexpr Resource kChannelBytes{"bytes of channels", "ChannelBytes", UINT64_MAX, nullptr, true, &Config::Clients::channel_bytes,
                                        Total{&Config::Clients::channel_bytes_total, "ChannelBytesTotal in httpsys.toml",
                                              limits::kDefaultChannelBytes}};
inline constexpr Resource kOperations{"completion ring entries", "Operations", UINT64_MAX, nullptr, true, &Config::Clients::operations};
inline constexpr Resource kHandles{"request queue handles", "Handles", UINT64_MAX, nullptr, false, &Config::Clients::handles};
inline constexpr Resource kServerSessions{"server sessions", "ServerSessions", limits::kServerSessions, "kServerSessions", false,
                                          &Config::Clients::server_sessions};
inline constexpr Resource kUrlGroups{"URL groups", "UrlGroups", limits::kUrlGroups, "kUrlGroups", false, &Config::Clients::url_groups};
inline constexpr Resource kUrls{"registered URLs", "Urls", limits::kUrls, "kUrls", false, &Config::Clients::urls};
inline constexpr Resource kRequestQueues{"request queues", "RequestQueues", limits::kRequestQueues, "kRequestQueues", false,
                                         &Config::Clients::request_queues};

// [clients], for every quota; a total of 0 stands for no bound here. Main calls it before any core runs.
void set_shares(const Config::Clients &clients);
const Config::Clients &shares();

class Quota {
public:
  explicit Quota(const Resource &resource) : m_resource(resource) {}

  // nullopt: `count` more may be taken; else the sentence that says whose bound it is, how much, and its key or constant.
  std::optional<std::string> refusal(const Client &client, uint64_t count = 1) const;
  void take(const Client &client, uint64_t count = 1);
  // What was taken by the same client.
  void give(const Client &client, uint64_t count = 1);
  uint64_t count() const { return m_count; }
  // The same is counted, for everybody.
  bool operator==(const Quota &other) const
  {
    return m_count == other.m_count && m_users == other.m_users && m_processes == other.m_processes;
  }

private:
  // Entries that are 0 are not kept.
  template <typename Key>
  using Counts = std::unordered_map<Key, uint64_t>;

  uint64_t most_of_users() const;
  const char *name_of_all() const;
  uint64_t most_of_all(const Client &client) const;

  const Resource &m_resource;
  uint64_t m_count = 0;
  Counts<uint32_t> m_users;
  Counts<uint64_t> m_processes;
};

}
