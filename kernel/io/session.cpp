// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/session.h"
#include "kernel/base/log.h"
#include "kernel/io/parked_table.h"
#include "kernel/io/session_manager.h"
#include "kernel/se/access.h"

namespace httpsys::io {

static SessionManager::Impl *s_manager; // core 0's, while there is one

SessionManager &SessionManager::instance()
{
  static SessionManager manager;
  return manager;
}

void SessionManager::start(int listener, const Settings &settings)
{
  m_impl = std::make_unique<Impl>(listener, settings);
  m_impl->start();
}

void SessionManager::drain() { m_impl->drain(); }
void SessionManager::stop(std::function<void()> done) { m_impl->stop(std::move(done)); }
uint32_t SessionManager::session_count() const { return m_impl ? static_cast<uint32_t>(m_impl->session_count()) : 0; }

const char *SessionManager::unsound() const { return m_impl ? m_impl->unsound() : nullptr; }

std::string SessionManager::describe(SessionId session) const
{
  ControlSession *found = m_impl ? Impl::find(session) : nullptr;
  return found ? found->describe() : "an ended session";
}

static void channel_was_revoked(SessionId id, hsys_revocation reason)
{
  if (ControlSession *session = SessionManager::Impl::find(id))
    session->revoke(reason);
}

static void channel_has_gone(SessionId id)
{
  // It is kept until its channel has gone.
  SessionManager::Impl::find(id)->channel_gone();
}

SessionManager::Impl::Impl(int listener, const Settings &settings)
    : m_settings(settings), m_listener(listener), m_channels_on_core(ke::Cores::instance().count()), m_outage([](auto time) {
        log("the control socket accepts again after {:.1f} s", static_cast<double>(time) / 1000);
      })
{
  se::set_daemon_uid(settings.daemon_uid);
  uint64_t secret = 0;
  platform::system().fill_random({reinterpret_cast<uint8_t *>(&secret), sizeof secret});
  ParkedTable::set_secret(secret);
  ChannelRegistry::set_events({channel_was_revoked, channel_has_gone});
  s_manager = this;
}

SessionManager::Impl::~Impl()
{
  VERIFY(m_sessions.empty() && !is_in_flight() && !is_set());
  if (s_manager == this)
    s_manager = nullptr;
}

ControlSession *SessionManager::Impl::find(SessionId id)
{
  if (!s_manager)
    return nullptr;
  auto found = s_manager->m_sessions.find(id);
  return found == s_manager->m_sessions.end() ? nullptr : found->second.get();
}

void SessionManager::Impl::parts_made(std::unique_ptr<ChannelParts> parts)
{
  ControlSession *session = find(parts->session);
  VERIFY(session); // it is kept while they are made
  session->parts_made(std::move(parts));
}

void SessionManager::Impl::channel_born(std::unique_ptr<ChannelParts> parts)
{
  ControlSession *session = find(parts->session);
  VERIFY(session); // it is kept until its channel has gone
  session->channel_born(std::move(parts));
}

void SessionManager::Impl::memory_released(SessionId id)
{
  ControlSession *session = find(id);
  VERIFY(session); // it is kept until then
  session->memory_released();
}

WelcomeFacts SessionManager::Impl::facts_for(SessionId id) const
{
  return {m_settings.epoch, id, m_settings.daemon_pid, ke::Cores::instance().count()};
}

void SessionManager::Impl::start()
{
  accept();
}

// Who makes closes slow slows down who connects, and nobody else. One at a time: more would take the whole backlog, thousands of
// descriptors, before anybody is turned away.
void SessionManager::Impl::accept()
{
  auto &core = ke::Core::current();
  if (platform::system().closing_controls() >= m_settings.controls_closing)
    return core.timers().set(*this, core.now() + limits::kControlsClosingMilliseconds);
  core.io().accept_one(m_listener, *this);
}

void SessionManager::Impl::on_timer()
{
  m_outage.works_again();
  accept();
}

void SessionManager::Impl::on_complete(const platform::IoResult &result)
{
  bool has_socket = result.status == NtStatus::Success;
  if (has_socket)
    admit(static_cast<int>(result.value));
  if (m_is_stopping)
    return finish_if_stopped();
  if (has_socket)
    return accept();
  auto &core = ke::Core::current();
  if (m_outage.fails())
    log("accept on the control socket fails ({}); it is tried again every {} ms", status_name(result.status),
        limits::kAcceptRetryMilliseconds);
  core.timers().set(*this, core.now() + limits::kAcceptRetryMilliseconds);
}

void SessionManager::Impl::refuse(int socket, const platform::PeerCredentials &peer, const std::string &why)
{
  platform::system().close_control(socket, peer.uid);
  log(LogCause::process(peer.uid), "pid {} ({}, uid {}) is turned away: {}", peer.pid, peer.program, peer.uid, why);
}

void SessionManager::Impl::admit(int socket)
{
  if (m_is_stopping || m_is_draining) {
    (void)platform::system().send_control(socket, build_goodbye(), {});
    return platform::system().close_control(socket, platform::kNoUser);
  }
  auto peer = platform::system().peer_credentials(socket);
  if (peer.is_error()) {
    log(LogKind::Process, "a client's credentials are not to be had ({})", status_name(peer.error()));
    return platform::system().close_control(socket, platform::kNoUser);
  }
  SessionId id = ++m_last_session;
  se::Client client = se::client_of(peer->uid, peer->pid, id);
  auto why = m_session_quota.refusal(client);
  if (!why)
    why = m_held_closes.refusal(peer->uid);
  if (why)
    return refuse(socket, *peer, *why);
  m_session_quota.take(client);
  auto &session = m_sessions[id];
  session = std::make_unique<ControlSession>(*this, id, socket, peer.release_value());
  session->start();
}

std::optional<std::string> SessionManager::Impl::take_channel(const se::Client &client, const ChannelCost &cost)
{
  auto why = m_channel_bytes.refusal(client, cost.bytes);
  if (!why)
    why = m_operations.refusal(client, cost.operations);
  if (why)
    return why;
  m_channel_bytes.take(client, cost.bytes);
  m_operations.take(client, cost.operations);
  return std::nullopt;
}

void SessionManager::Impl::give_channel(const se::Client &client, const ChannelCost &cost)
{
  m_channel_bytes.give(client, cost.bytes);
  m_operations.give(client, cost.operations);
}

ChannelAddress SessionManager::Impl::place_channel()
{
  auto count = static_cast<ke::CoreId>(m_channels_on_core.size());
  ke::CoreId best = m_next_core;
  for (ke::CoreId step = 1; step < count; step++) {
    ke::CoreId core = (m_next_core + step) % count;
    if (m_channels_on_core[core] < m_channels_on_core[best])
      best = core;
  }
  m_next_core = (best + 1) % count;
  m_channels_on_core[best]++;
  return {best, ++m_last_channel};
}

void SessionManager::Impl::read_later(SessionId id)
{
  ke::Cores::instance().post(0, [id] {
    if (ControlSession *session = find(id))
      session->read_now();
  });
}

void SessionManager::Impl::forget_later(SessionId id)
{
  ke::Cores::instance().post(0, [this, id] { forget(id); });
}

void SessionManager::Impl::forget(SessionId id)
{
  auto found = m_sessions.find(id);
  VERIFY(found != m_sessions.end());
  m_session_quota.give(found->second->client());
  auto ended = registrations().session_ended;
  if (ended && found->second->was_welcomed())
    ended(id);
  m_sessions.erase(found);
  m_held_closes.look_soon();
  finish_if_stopped();
}

const char *SessionManager::Impl::unsound() const
{
  se::Quota sessions(se::kSessions), channel_bytes(se::kChannelBytes), operations(se::kOperations);
  for (const auto &[id, session] : m_sessions) {
    sessions.take(session->client());
    if (const auto &cost = session->channel_cost()) {
      channel_bytes.take(session->client(), cost->bytes);
      operations.take(session->client(), cost->operations);
    }
  }
  return sessions != m_session_quota            ? se::kSessions.plural
         : channel_bytes != m_channel_bytes     ? se::kChannelBytes.plural
         : operations != m_operations           ? se::kOperations.plural
                                                : nullptr;
}

void SessionManager::Impl::drain()
{
  if (std::exchange(m_is_draining, true))
    return;
  for (auto &[id, session] : m_sessions)
    session->drain();
}

void SessionManager::Impl::stop(std::function<void()> done)
{
  VERIFY(!m_is_stopping);
  m_is_stopping = true;
  m_stopped = std::move(done);
  auto &core = ke::Core::current();
  core.timers().cancel(*this);
  m_outage.stop();
  m_held_closes.stop();
  if (is_in_flight())
    core.io().cancel(*this);
  for (auto &[id, session] : m_sessions)
    session->end();
  ke::Cores::instance().post(0, [this] { finish_if_stopped(); });
}

void SessionManager::Impl::finish_if_stopped()
{
  if (!m_is_stopping || !m_sessions.empty() || is_in_flight() || m_listener < 0)
    return;
  platform::system().close_control(m_listener, platform::kNoUser); // with who waits in it
  m_listener = -1; // once
  auto stopped = std::move(m_stopped);
  stopped();
}

// The numbers of all cores, added up on the way from the last core to core 0.
struct SessionManager::Impl::Gathering {
  SessionId session;
  uint32_t sequence;
  hsys_control_stats stats{};
};

void SessionManager::Impl::gather_stats(SessionId id, uint32_t sequence)
{
  auto gathering = std::make_unique<Gathering>(Gathering{id, sequence, {}});
  ke::Cores::instance().post(ke::Cores::instance().count() - 1,
                             [gathering = std::move(gathering)]() mutable { gather_here(std::move(gathering)); });
}

void SessionManager::Impl::gather_here(std::unique_ptr<Gathering> gathering)
{
  ChannelRegistry::add_stats(gathering->stats);
  ke::CoreId core = ke::Core::current().id();
  if (core > 0) {
    ke::Cores::instance().run_on(core - 1, [gathering = std::move(gathering)]() mutable { gather_here(std::move(gathering)); });
    return;
  }
  ControlSession *session = find(gathering->session);
  if (!session)
    return;
  gathering->stats.sessions = s_manager->m_sessions.size();
  if (auto fill = s_manager->m_settings.fill_stats)
    fill(gathering->stats);
  session->send(build_stats_answer(gathering->sequence, NtStatus::Success, gathering->stats));
}

}
