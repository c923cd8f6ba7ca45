// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/control_session.h"
#include "kernel/base/log.h"
#include "kernel/io/session_manager.h"
#include "kernel/se/access.h"

namespace httpsys::io {

ChannelParts::~ChannelParts()
{
  for (int descriptor : {kick, bell_read})
    if (descriptor >= 0)
      platform::system().close_shared(descriptor, uid);
  if (bell_write >= 0)
    platform::system().close_elsewhere(bell_write, uid);
}

// Slow: it populates both regions.
void ChannelParts::make()
{
  using Writer = mm::SharedRegion::Writer;
  auto made = [&]() -> Result<void> {
    if (*is_in_vain)
      return NtStatus::Cancelled;
    ktou = TRY(mm::SharedRegion::create("httpsys-ktou", geometry.ktou_bytes, Writer::Daemon, initial_kpage(geometry, first_index)));
    utok = TRY(mm::SharedRegion::create("httpsys-utok", geometry.utok_bytes, Writer::Client, initial_upage(first_index)));
    kick = TRY(platform::system().create_event());
    auto bell = TRY(platform::system().create_bell());
    bell_read = bell.first;
    bell_write = bell.second;
    TRY(platform::system().share(kick, uid));
    return platform::system().share(bell_read, uid);
  }();
  status = made.error();
  if (made.is_error())
    ktou = utok = nullptr;
}

ControlSession::ControlSession(SessionManager::Impl &manager, SessionId id, int socket, platform::PeerCredentials peer)
    : m_manager(manager), m_id(id), m_socket(socket), m_peer(std::move(peer))
{
}

ControlSession::~ControlSession()
{
  VERIFY(m_is_finished && !is_in_flight() && !m_process.is_in_flight() && !is_set());
}

template <typename... Arguments>
void ControlSession::tell(fmt::format_string<Arguments...> what, Arguments &&...arguments) const
{
  log(LogCause::process(m_peer.uid), "{} {}", describe(), fmt::format(what, std::forward<Arguments>(arguments)...));
}

std::string ControlSession::describe() const
{
  return fmt::format("pid {} ({}, uid {})", m_peer.pid, m_peer.program, m_peer.uid);
}

void ControlSession::start()
{
  auto &core = ke::Core::current();
  core.timers().set(*this, core.now() + limits::kHelloMilliseconds);
  core.io().poll_multishot(m_socket, *this);
  auto process = platform::system().peer_process(m_socket);
  if (!process.is_error())
    m_process.start(*process);
  else if (process.error() == NtStatus::NotFound)
    end(); // whoever has the socket yet is a child of it
  else if (process.error() != NtStatus::NotSupported) {
    tell("is turned away: its end could not be watched ({})", status_name(process.error()));
    end();
  }
}

void ControlSession::ProcessWatch::start(int process)
{
  m_process = process;
  ke::Core::current().io().poll_multishot(process, *this);
}

void ControlSession::ProcessWatch::stop()
{
  if (is_in_flight())
    ke::Core::current().io().cancel(*this);
}

void ControlSession::ProcessWatch::on_complete(const platform::IoResult &result)
{
  if (!result.more)
    platform::system().close(std::exchange(m_process, -1));
  if (result.status == NtStatus::Success)
    m_session.end();
  if (!result.more && m_session.m_has_ended)
    m_session.finish_if_empty();
}

void ControlSession::on_timer()
{
  tell("is cut off: it said no HELLO for {} s (kHelloMilliseconds)", limits::kHelloMilliseconds / 1000);
  revoke(HSYS_REVOKED_HELLO_TIMEOUT);
}

void ControlSession::on_complete(const platform::IoResult &result)
{
  if (m_has_ended) {
    if (!result.more)
      finish_if_empty();
    return;
  }
  if (result.status != NtStatus::Success) {
    tell("is cut off: its control socket can't be watched ({})", status_name(result.status));
    return end();
  }
  // Before reading: the poll is edge-triggered, and what comes in between must not be missed.
  if (!result.more)
    ke::Core::current().io().poll_multishot(m_socket, *this);
  if (!m_reads_later)
    read_messages();
}

// Once: polls that complete meanwhile must not make it several times a turn.
void ControlSession::read_later()
{
  if (!std::exchange(m_reads_later, true))
    m_manager.read_later(m_id);
}

void ControlSession::read_now()
{
  m_reads_later = false;
  read_messages();
}

void ControlSession::read_messages()
{
  for (uint32_t count = 0; count < limits::kControlMessagesPerTurn; count++) {
    if (m_has_ended || m_admin_is_running)
      return;
    auto packet = platform::system().receive_control(m_socket, m_was_welcomed ? HSYS_ADMIN_MESSAGE_MAX : HSYS_CONTROL_MESSAGE_MAX);
    if (packet.is_error()) {
      if (packet.error() != NtStatus::NotFound)
        end();
      return;
    }
    handle(*packet);
  }
  read_later();
}

void ControlSession::break_protocol(const char *how)
{
  tell("is cut off: {}", how);
  revoke(HSYS_REVOKED_CONTROL);
}

void ControlSession::handle(const platform::ControlPacket &packet)
{
  if (packet.had_descriptors)
    return break_protocol("it sent descriptors on the control socket");
  auto request = packet.truncated ? std::nullopt : parse_control(packet.bytes);
  if (!request)
    return break_protocol("it sent a malformed control message");
  if ((request->type == HSYS_CONTROL_HELLO) == m_was_welcomed)
    return break_protocol(m_was_welcomed ? "it said HELLO twice" : "its first control message was not HELLO");
  if (request->type == HSYS_CONTROL_HELLO)
    greet(request->sequence, request->hello);
  else if (request->type == HSYS_CONTROL_CHANNEL_OPEN)
    open_channel(request->sequence, request->open);
  else if (request->type == HSYS_CONTROL_PING)
    send(build_pong(request->sequence));
  else if (request->type == HSYS_CONTROL_STATS)
    tell_stats(request->sequence);
  else
    administer(request->sequence, request->admin, packet.bytes);
}

void ControlSession::greet(uint32_t sequence, const HelloRequest &hello)
{
  auto negotiated = negotiate(hello);
  if (!hello.program.empty())
    m_peer.program = hello.program;
  ke::Core::current().timers().cancel(*this);
  m_was_welcomed = negotiated.status == NtStatus::Success;
  send(build_welcome(sequence, negotiated, m_manager.facts_for(m_id)));
  if (m_was_welcomed)
    return;
  tell("speaks ring ABI {}.{} to {}.{}, this daemon {}.{} ({})", hello.abi_major, hello.minor_min, hello.abi_major, hello.minor_max,
       HSYS_ABI_MAJOR, HSYS_ABI_MINOR, status_name(negotiated.status));
  end();
}

void ControlSession::tell_stats(uint32_t sequence)
{
  if (!se::may_administer(m_peer.uid))
    return send(build_stats_answer(sequence, NtStatus::AccessDenied, {}));
  m_manager.gather_stats(m_id, sequence);
}

void ControlSession::open_channel(uint32_t sequence, const ChannelOpenRequest &open)
{
  if (m_channel_state != ChannelState::None)
    return send(build_channel_opened(sequence, NtStatus::NotSupported, 0, 0));
  auto parts = std::make_unique<ChannelParts>();
  parts->session = m_id;
  parts->sequence = sequence;
  parts->uid = m_peer.uid;
  parts->first_index = m_manager.settings().first_index;
  parts->is_in_vain = m_is_in_vain;
  parts->geometry = make_geometry(choose_sizes(open), m_manager.settings().epoch, m_id);
  // The copies of parameters in progress are as long as the send arena at most: see Channel::Impl::copy_parameters.
  const hsys_geometry &geometry = parts->geometry;
  ChannelCost cost{geometry.ktou_bytes + geometry.utok_bytes + geometry.tx_bytes, geometry.cq_entries};
  if (auto why = m_manager.take_channel(client(), cost)) {
    tell("gets no channel: {}", *why);
    return send(build_channel_opened(sequence, NtStatus::InsufficientResources, 0, 0));
  }
  m_channel_cost = cost;
  m_channel_state = ChannelState::Making;
  ke::Cores::instance().run_on_memory_helper(m_peer.uid, [parts = std::move(parts)]() mutable {
    parts->make();
    ke::Cores::instance().run_on(0, [parts = std::move(parts)]() mutable { SessionManager::Impl::parts_made(std::move(parts)); });
  });
}

void ControlSession::parts_made(std::unique_ptr<ChannelParts> parts)
{
  m_ktou = std::move(parts->ktou);
  m_utok = std::move(parts->utok);
  if (m_has_ended)
    return m_ktou ? release_memory() : memory_released();
  if (parts->status != NtStatus::Success) {
    give_channel();
    m_channel_state = ChannelState::None;
    tell("gets no channel: its memory could not be made ({})", status_name(parts->status));
    return send(build_channel_opened(parts->sequence, parts->status, 0, 0));
  }
  m_channel_state = ChannelState::Born;
  m_channel = m_manager.place_channel();
  auto birth = std::make_unique<ChannelBirth>();
  birth->address = m_channel;
  birth->session = m_id;
  birth->peer = m_peer;
  birth->client = client();
  birth->waiting_output = m_manager.waiting_output_of(client());
  birth->geometry = parts->geometry;
  birth->first_index = parts->first_index;
  platform::system().fill_random({reinterpret_cast<uint8_t *>(&birth->first_handle_generation), sizeof birth->first_handle_generation});
  birth->ktou = m_ktou;
  birth->utok = m_utok;
  birth->is_in_vain = m_is_in_vain;
  birth->kick = parts->kick;
  birth->bell = std::exchange(parts->bell_write, -1);
  ke::Cores::instance().run_on(m_channel.core, [birth = std::move(birth), parts = std::move(parts)]() mutable {
    ChannelRegistry::create(std::move(*birth));
    ke::Cores::instance().run_on(0, [parts = std::move(parts)]() mutable { SessionManager::Impl::channel_born(std::move(parts)); });
  });
  if (m_is_draining)
    ke::Cores::instance().run_on(m_channel.core, [number = m_channel.number] { ChannelRegistry::drain(number); });
}

void ControlSession::channel_born(std::unique_ptr<ChannelParts> parts)
{
  // The channel's now: this message's sender has made it, and it lives at least until we end it.
  int kick = std::exchange(parts->kick, -1);
  if (m_has_ended)
    return;
  const int descriptors[] = {m_ktou->descriptor(), m_utok->descriptor(), kick, parts->bell_read};
  send(build_channel_opened(parts->sequence, NtStatus::Success, parts->geometry.ktou_bytes, parts->geometry.utok_bytes), descriptors);
}

void ControlSession::administer(uint32_t sequence, const AdminRequest &admin, std::span<const uint8_t> packet)
{
  // Win32 codes and exit codes of httpsysctl: design.md 6.
  static constexpr uint32_t kAccessDenied = 5, kNotSupported = 50, kExitRefused = 1, kExitNotPermitted = 4;
  if (!se::may_administer(m_peer.uid))
    return send(build_admin_answer(sequence, kAccessDenied, kExitNotPermitted,
                                   fmt::format("uid {} may not administer this daemon, only root and its own user may", m_peer.uid)));
  auto command = parse_admin(packet, admin);
  if (!command)
    return break_protocol("it sent a malformed administration command");
  auto execute = registrations().execute_admin;
  if (!execute)
    return send(build_admin_answer(sequence, kNotSupported, kExitRefused, "this daemon has no administration commands"));
  m_admin_is_running = true;
  execute(std::move(command->words), std::move(command->files),
          [id = m_id, sequence](uint32_t win32_code, uint32_t exit_code, const std::string &text) {
            if (ControlSession *session = SessionManager::Impl::find(id))
              session->admin_answered(sequence, win32_code, exit_code, text);
          });
}

void ControlSession::admin_answered(uint32_t sequence, uint32_t win32_code, uint32_t exit_code, const std::string &text)
{
  m_admin_is_running = false;
  send(build_admin_answer(sequence, win32_code, exit_code, text));
  read_later();
}

// Never waits (trust rule T7).
void ControlSession::send(const ControlBytes &bytes, std::span<const int> descriptors)
{
  if (m_has_ended)
    return;
  NtStatus status = platform::system().send_control(m_socket, bytes, descriptors);
  if (status == NtStatus::Success)
    return;
  if (status == NtStatus::InsufficientResources)
    tell("is cut off: it does not read its control socket");
  end();
}

void ControlSession::drain()
{
  m_is_draining = true;
  send(build_goodbye());
  if (!m_has_ended && m_channel_state == ChannelState::Born)
    ke::Cores::instance().run_on(m_channel.core, [number = m_channel.number] { ChannelRegistry::drain(number); });
}

void ControlSession::revoke(hsys_revocation reason)
{
  if (m_has_ended)
    return;
  (void)platform::system().send_control(m_socket, build_revoked(reason), {});
  end();
}

void ControlSession::end()
{
  if (std::exchange(m_has_ended, true))
    return;
  *m_is_in_vain = true;
  auto &core = ke::Core::current();
  core.timers().cancel(*this);
  if (is_in_flight())
    core.io().cancel(*this);
  platform::system().shut_control(m_socket);
  m_process.stop();
  if (m_channel_state == ChannelState::Born)
    ke::Cores::instance().run_on(m_channel.core, [number = m_channel.number] { ChannelRegistry::end(number); });
  finish_if_empty();
}

void ControlSession::channel_gone()
{
  m_manager.channel_left(m_channel.core);
  release_memory();
}

// Up to 512 MiB: the kernel takes tens of milliseconds to free them.
void ControlSession::release_memory()
{
  m_channel_state = ChannelState::Releasing;
  ke::Cores::instance().run_on_memory_helper(m_peer.uid, [id = m_id, ktou = std::move(m_ktou), utok = std::move(m_utok)]() mutable {
    ktou = utok = nullptr;
    ke::Cores::instance().run_on(0, [id] { SessionManager::Impl::memory_released(id); });
  });
}

void ControlSession::give_channel()
{
  m_manager.give_channel(client(), *std::exchange(m_channel_cost, std::nullopt));
}

void ControlSession::memory_released()
{
  m_channel_state = ChannelState::Gone;
  give_channel();
  finish_if_empty();
}

void ControlSession::finish_if_empty()
{
  // Not before its poll has come back: the last reference would be the poll's, on this core.
  if (m_has_ended && !is_in_flight() && m_socket >= 0)
    platform::system().close_control(std::exchange(m_socket, -1), m_peer.uid);
  bool has_channel = m_channel_state != ChannelState::None && m_channel_state != ChannelState::Gone;
  if (!m_has_ended || is_in_flight() || m_process.is_in_flight() || has_channel || m_is_finished)
    return;
  m_is_finished = true;
  m_manager.forget_later(m_id);
}

}
