// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/se/quota.h"
#include "kernel/base/canary.h"
#include "kernel/base/verify.h"
#include "kernel/se/access.h"
#include <algorithm>
#include <fmt/format.h>

namespace httpsys::se {

static Config::Clients s_shares;

void set_shares(const Config::Clients &clients) { s_shares = clients; }
const Config::Clients &shares() { return s_shares; }

Client client_of(uint32_t uid, uint32_t pid, uint64_t session)
{
  static constexpr uint64_t kOfSession = 1ull << 63;
  return {uid, pid != 0 ? uint64_t{uid} << 31 | pid : kOfSession | session}; // pids have 22 bits
}

template <typename Key>
static uint64_t count_of(const std::unordered_map<Key, uint64_t> &counts, Key key)
{
  auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

template <typename Key>
static void give_back(std::unordered_map<Key, uint64_t> &counts, Key key, uint64_t count)
{
  auto found = counts.find(key);
  VERIFY(found != counts.end() && found->second >= count);
  found->second -= count;
  if (found->second == 0)
    counts.erase(found);
}

static bool has_room(uint64_t has, uint64_t count, uint64_t most)
{
  return has <= most && count <= most - has;
}

static std::string sentence(const std::string &who, uint64_t has, const Resource &resource, uint64_t count, uint64_t most,
                            const std::string &key)
{
  std::string wanted = count == 1 ? "" : fmt::format(", {} more are wanted", count);
  return fmt::format("{} has {} {}{}, and may have {}{}", who, has, resource.plural, wanted, most, key);
}

uint64_t Total::all() const
{
  uint64_t all = s_shares.*most;
  return all != 0 ? all : UINT64_MAX;
}

Bound bound_of(uint64_t share, const Total &total, uint64_t all, uint64_t part)
{
  uint64_t of_all = all == UINT64_MAX ? UINT64_MAX : std::max(all / part, total.least);
  return {std::min(share, of_all), share <= of_all};
}

uint64_t Quota::most_of_users() const
{
  return m_resource.total ? m_resource.total->all() : m_resource.all;
}

// A total that is as large as the constant, as with many descriptors, is not what decides.
const char *Quota::name_of_all() const
{
  return m_resource.total && (!m_resource.all_name || m_resource.total->all() < m_resource.all) ? m_resource.total->name
                                                                                               : m_resource.all_name;
}

uint64_t Quota::most_of_all(const Client &client) const
{
  uint64_t all = most_of_users();
  uint64_t reserve = 0;
  if (may_administer(client.uid))
    reserve = std::max({all / limits::kReservePart, limits::kReserveLeast, m_resource.total ? m_resource.total->least : 0});
  return all > UINT64_MAX - reserve ? UINT64_MAX : all + reserve;
}

std::optional<std::string> Quota::refusal(const Client &client, uint64_t count) const
{
  const Config::Share &share = s_shares.*m_resource.share;
  const auto &total = m_resource.total;
  auto bound = [&](uint64_t of_share, uint64_t part) {
    return total ? bound_of(of_share, *total, total->all(), part) : Bound{of_share, true};
  };
  auto key = [&](const char *whose, bool is_share, const char *part) {
    return is_share ? fmt::format(" ({}Per{} in httpsys.toml)", m_resource.key, whose)
                    : fmt::format(" ({} of what {} allows)", part, name_of_all());
  };
  uint64_t process = count_of(m_processes, client.process);
  uint64_t user = is_broken(Canary::UsersTogether) ? m_count : count_of(m_users, client.uid);
  if (Bound may = bound(share.process, limits::kProcessPart); !has_room(process, count, may.most))
    return sentence("this process", process, m_resource, count, may.most, key("Process", may.is_share, "a quarter"));
  bool is_bound = m_resource.is_memory || !may_administer(client.uid);
  if (Bound may = bound(share.user, limits::kUserPart); is_bound && !has_room(user, count, may.most))
    return sentence(fmt::format("uid {}", client.uid), user, m_resource, count, may.most, key("User", may.is_share, "half"));
  if (uint64_t all = most_of_all(client); !has_room(m_count, count, all))
    return sentence("the daemon", m_count, m_resource, count, all, fmt::format(" ({})", name_of_all()));
  return std::nullopt;
}

void Quota::take(const Client &client, uint64_t count)
{
  m_count += count;
  m_users[client.uid] += count;
  m_processes[client.process] += count;
}

void Quota::give(const Client &client, uint64_t count)
{
  VERIFY(m_count >= count);
  m_count -= count;
  give_back(m_users, client.uid, count);
  give_back(m_processes, client.process, count);
}

}
