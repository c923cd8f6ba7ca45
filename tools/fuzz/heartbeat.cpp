// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/heartbeat.h"
#include "tools/fuzz/answer.h"
#include <fmt/format.h>

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

static constexpr std::chrono::milliseconds kBetween{100};
static constexpr std::chrono::milliseconds kTick{1};

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

// A daemon that dies closes its sessions before its socket, and another run of it may take its place: who is there is told by a WELCOME.
static Finding why_ended(AttachedTarget &target, uint64_t epoch)
{
  for (auto until = Clock::now() + kAnswerPatience; Clock::now() < until;) {
    std::string why;
    auto link = target.reach(why);
    if (!link)
      return {"died", why};
    RingClient client(std::move(link));
    client.say_hello("heartbeat");
    auto welcome = wait_for<hsys_control_welcome>(client, HSYS_CONTROL_WELCOME);
    if (welcome && welcome->epoch != epoch && epoch != 0)
      return {"died", "another run of the daemon has taken its place"};
    if (welcome)
      break;
    if (!client.link().has_ended())
      return {"hung", "HELLO has not been answered for 5 s"};
    std::this_thread::sleep_for(kTick);
  }
  return {"refused others", "the session of a client that only sends PING has ended"};
}

// The next answer; throws when it does not come. epoch: of the daemon's run, 0 when it is not known.
template <typename Message>
static Message expect(RingClient &client, AttachedTarget &target, uint16_t type, const char *question, uint64_t epoch)
{
  if (auto answer = wait_for<Message>(client, type))
    return *answer;
  throw client.link().has_ended() ? why_ended(target, epoch) : Finding{"hung", fmt::format("{} has not been answered for 5 s", question)};
}

void Heartbeat::beat()
{
  try {
    auto link = m_target.connect();
    if (!link)
      throw Finding{"died", "the control socket takes no connection"};
    RingClient client(std::move(link));
    client.say_hello("heartbeat");
    uint64_t epoch = expect<hsys_control_welcome>(client, m_target, HSYS_CONTROL_WELCOME, "HELLO", 0).epoch;
    std::unique_lock lock(m_mutex);
    while (!m_is_over) {
      m_begun++;
      lock.unlock();
      client.send(HSYS_CONTROL_PING, HeadAlone{});
      expect<HeadAlone>(client, m_target, HSYS_CONTROL_PONG, "PING", epoch);
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
