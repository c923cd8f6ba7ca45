// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/heartbeat.h"
#include "tools/fuzz/ring_client.h"
#include <fmt/format.h>

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

static constexpr std::chrono::seconds kPatience{5};
static constexpr std::chrono::milliseconds kBetween{100};
static constexpr std::chrono::milliseconds kMoment{1};

Heartbeat::Heartbeat(AttachedTarget &target) : m_target(target), m_thread([this] { beat(); }) {}

Heartbeat::~Heartbeat()
{
  {
    std::lock_guard lock(m_mutex);
    m_is_over = true;
  }
  m_changed.notify_all();
  m_thread.join();
}

std::optional<Finding> Heartbeat::verdict()
{
  std::unique_lock lock(m_mutex);
  uint64_t next = m_begun + 1;
  m_changed.wait(lock, [&] { return m_found || m_answered >= next; });
  return m_found;
}

// Until the answer has come; throws when it does not.
static void wait_for(RingClient &client, AttachedTarget &target, uint16_t type, const char *question)
{
  for (auto until = Clock::now() + kPatience;;) {
    bool is_late = Clock::now() > until; // before the look, or time that this thread was not given would be the daemon's
    if (client.take_messages(type))
      return;
    std::string why;
    if (client.link().has_ended() && target.reach(why))
      throw Finding{"refused others", "the session of a client that only sends PING has ended"};
    if (client.link().has_ended())
      throw Finding{"died", why};
    if (is_late)
      throw Finding{"hung", fmt::format("{} has not been answered for 5 s", question)};
    std::this_thread::sleep_for(kMoment);
  }
}

void Heartbeat::beat()
{
  try {
    auto link = m_target.connect();
    if (!link)
      throw Finding{"died", "the control socket takes no connection"};
    RingClient client(std::move(link));
    client.say_hello("heartbeat");
    wait_for(client, m_target, HSYS_CONTROL_WELCOME, "HELLO");
    std::unique_lock lock(m_mutex);
    while (!m_is_over) {
      m_begun++;
      lock.unlock();
      client.send(HSYS_CONTROL_PING, HeadAlone{});
      wait_for(client, m_target, HSYS_CONTROL_PONG, "PING");
      lock.lock();
      m_answered = m_begun;
      m_changed.notify_all();
      m_changed.wait_for(lock, kBetween, [this] { return m_is_over; });
    }
  } catch (const Finding &finding) {
    std::lock_guard lock(m_mutex);
    m_found = finding;
    m_changed.notify_all();
    m_target.stop();
  }
}

}
