// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/held_closes.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/se/access.h"
#include <algorithm>
#include <fmt/format.h>

namespace httpsys::io {

void HeldClosesWatch::look_soon()
{
  if (m_is_stopped || is_set())
    return;
  if (!m_holders.empty() || platform::system().closing_controls() > 0 || !platform::system().held_closes().empty())
    ke::Core::current().timers().set(*this, ke::Core::current().now() + limits::kClosesLookMilliseconds);
}

void HeldClosesWatch::stop()
{
  m_is_stopped = true;
  ke::Core::current().timers().cancel(*this);
}

// Administrators can end whoever does this.
std::optional<std::string> HeldClosesWatch::refusal(uint32_t uid) const
{
  if (se::may_administer(uid))
    return std::nullopt;
  for (const auto &held : platform::system().held_closes())
    if (held.uid == uid && held.count >= limits::kClosesHeldPerUser)
      return fmt::format("a process of uid {} holds up the close of {} descriptors of its ended sessions, {} may be (kClosesHeldPerUser)",
                         uid, held.count, limits::kClosesHeldPerUser - 1);
  return std::nullopt;
}

void HeldClosesWatch::on_timer()
{
  const auto now = ke::Core::current().now();
  const auto held = platform::system().held_closes();
  for (auto holder = m_holders.begin(); holder != m_holders.end();) {
    const uint32_t uid = holder->first;
    const auto since = holder->second;
    if (std::ranges::any_of(held, [uid](const auto &closes) { return closes.uid == uid; })) {
      ++holder;
      continue;
    }
    log(LogCause::process(uid), "what ended sessions of uid {} had is closed, {:.1f} s after that was held up", uid,
        static_cast<double>(now - since) / 1000);
    holder = m_holders.erase(holder);
  }
  for (const auto &closes : held)
    if (closes.uid != platform::kNoUser && m_holders.try_emplace(closes.uid, now).second)
      log(LogCause::process(closes.uid), "a process of uid {} holds up the close of what its ended sessions had: {} descriptors wait",
          closes.uid, closes.count);
  look_soon();
}

}
