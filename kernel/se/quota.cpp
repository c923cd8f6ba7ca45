// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/se/quota.h"
#include "kernel/base/verify.h"
#include "kernel/se/access.h"
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

uint64_t Quota::most_of_all(const Client &client) const
{
  uint64_t all = m_resource.all != 0 ? m_resource.all : s_shares.channel_bytes_total != 0 ? s_shares.channel_bytes_total : UINT64_MAX;
  uint64_t reserve = may_administer(client.uid) ? all / kReservePart : 0;
  return all > UINT64_MAX - reserve ? UINT64_MAX : all + reserve;
}

std::optional<std::string> Quota::refusal(const Client &client, uint64_t count) const
{
  const Config::Share &share = s_shares.*m_resource.share;
  auto key = [this](const char *whose) { return fmt::format(" ({}Per{} in httpsys.toml)", m_resource.key, whose); };
  uint64_t process = count_of(m_processes, client.process), user = count_of(m_users, client.uid);
  if (!has_room(process, count, share.process))
    return sentence("this process", process, m_resource, count, share.process, key("Process"));
  bool is_bound = m_resource.is_memory || !may_administer(client.uid);
  if (is_bound && !has_room(user, count, share.user))
    return sentence(fmt::format("uid {}", client.uid), user, m_resource, count, share.user, key("User"));
  if (uint64_t all = most_of_all(client); !has_room(m_count, count, all))
    return sentence("the daemon", m_count, m_resource, count, all, m_resource.all == 0 ? " (ChannelBytesTotal in httpsys.toml)" : "");
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
