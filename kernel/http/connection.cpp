// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/connection.h"
#include "kernel/base/log.h"
#include "kernel/http/counters.h"
#include "kernel/http/id_tables.h"
#include "kernel/http/own_answer.h"
#include "kernel/http/request_image.h"
#include "kernel/http/settings.h"
#include "kernel/http/spare_buffers.h"
#include "kernel/io/per_core.h"
#include "kernel/net/listener_set.h"
#include "kernel/ns/url_tree.h"
#include "kernel/url/case_map.h"
#include <algorithm>

namespace httpsys::http {

// SP_PROT_TLS1_3_SERVER, as tls::ConnectionFacts has it.
static constexpr uint32_t kSchannelTls13 = 0x1000;
static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
static const char *const kAnswered = "the response has been sent";
static const char *const kBroken = "the client closed the connection in the middle of the request body";

Connection::Connection(int socket, const Endpoint &local, const Endpoint &remote)
  : m_local(local), m_remote(remote), m_transport(*this, socket, m_local, m_remote), m_parser(settings().parser), m_certificate(*this)
{
}

// All of a core's, those included that only linger and have no id any more.
static io::PerCore<IntrusiveList<Connection>> s_connections;

Connection::~Connection()
{
  VERIFY(m_id == 0 && m_disconnect_waits.is_empty());
  auto &all = s_connections.here();
  all.remove(*this);
  if (all.is_empty())
    free_spares();
}

Connection *Connection::find(uint64_t id)
{
  return id_tables().connections.find(id);
}

static std::vector<RefPtr<Connection>> connections_of_this_core()
{
  std::vector<RefPtr<Connection>> all;
  auto &list = s_connections.here();
  for (Connection *connection = list.first(); connection; connection = list.next(*connection))
    all.emplace_back(connection);
  return all;
}

void Connection::drain_this_core()
{
  for (auto &connection : connections_of_this_core()) {
    connection->close_after_response();
    if (connection->awaited() != Awaited::Request)
      continue;
    connection->m_transport.set_end(ke::Tally::Shutdown);
    connection->close();
  }
}

void Connection::end_this_core()
{
  for (auto &connection : connections_of_this_core())
    connection->m_transport.end("httpsysd ends");
}

void Connection::accept(int socket)
{
  auto local = platform::system().local_endpoint(socket), remote = platform::system().remote_endpoint(socket);
  // A peer that is gone already has no address any more.
  if (local.is_error() || remote.is_error()) {
    ke::count(ke::Tally::Vanished);
    return net::ListenerSet::instance().close_connection(socket);
  }
  if (id_tables().connections.count() >= limits::kConnectionsPerCore) {
    log(LogKind::Connection, "{} -> {}: refused, core {} has {} connections, as many as it may have (kConnectionsPerCore)",
        remote->to_string(), local->to_string(), ke::Core::current().id(), limits::kConnectionsPerCore);
    ke::count(ke::Tally::Turned);
    return net::ListenerSet::instance().close_connection(socket);
  }
  auto connection = RefPtr<Connection>::adopt(new Connection(socket, *local, *remote));
  connection->start();
}

void Connection::start()
{
  s_connections.here().append(*this);
  m_id = id_tables().connections.add(*this);
  VERIFY(m_id != 0);
  counters().connections.fetch_add(1, std::memory_order_relaxed);
  counters().connections_total.fetch_add(1, std::memory_order_relaxed);
  if (ns::UrlTree::current().is_https(m_local.port)) {
    m_transport.start_tls();
  } else {
    m_phase = Phase::Head;
    m_transport.start_plain();
  }
  update_timer();
}

void Connection::on_handshake_done()
{
  m_phase = Phase::Head;
  update_timer();
}

void Connection::on_bytes(std::span<const char> bytes)
{
  if (m_phase == Phase::Closing)
    return;
  m_come += bytes.size();
  append_input(bytes);
  process_input();
  end_complete_response();
  if (!m_transport.is_closing())
    input_changed();
}

void Connection::append_input(std::span<const char> bytes)
{
  // A client that pipelines without a pause leaves no moment at which the buffer is empty.
  if (m_input_offset >= input_bytes()) {
    m_input.erase(m_input.begin(), m_input.begin() + static_cast<ptrdiff_t>(m_input_offset));
    m_input_offset = 0;
  }
  if (m_input.empty() && bytes.size() > std::max(m_input.capacity(), limits::kIdleBufferBytes))
    m_input = take_spare(bytes.size());
  m_input.insert(m_input.end(), bytes.begin(), bytes.end());
}

void Connection::consume_input(size_t bytes)
{
  m_input_offset += bytes;
  if (m_input_offset < m_input.size())
    return;
  m_input.clear();
  m_input_offset = 0;
}

// Answering a request may end it at once and make the next one current; the loop here sees to that, not the recursion.
void Connection::process_input()
{
  m_processes_again = true;
  if (m_is_processing)
    return;
  m_is_processing = true;
  while (m_processes_again && !m_transport.is_closing()) {
    m_processes_again = false;
    bool goes_on = false;
    switch (m_phase) {
    case Phase::Head: goes_on = process_head(); break;
    case Phase::Response:
    case Phase::Drain: goes_on = process_body(); break;
    case Phase::Handshake:
    case Phase::Closing: break;
    }
    m_processes_again = m_processes_again || goes_on;
  }
  m_is_processing = false;
}

bool Connection::process_head()
{
  if (m_input.empty())
    return false;
  switch (m_parser.parse(input())) {
  case http1::ParseOutcome::NeedMore:
    if (m_peer_ended)
      close_for_client();
    return false;
  case http1::ParseOutcome::Refused: refuse(m_parser.refusal(), {}); return false;
  case http1::ParseOutcome::Complete: break;
  }
  begin_request();
  return m_phase != Phase::Closing;
}

void Connection::begin_request()
{
  const http1::RequestHead &head = m_parser.head();
  m_request = std::make_unique<Request>(*this, head);
  m_phase = Phase::Response;
  m_had_request = true;
  auto queued = route(head, input());
  if (!queued)
    return;
  consume_input(head.head_bytes);
  set_receiver(queued->queue_id, std::nullopt);
  // What has come of the body is there when a waiting receive gets the request.
  process_body();
  if (m_phase != Phase::Response)
    return;
  if (m_peer_ended && !m_request->body().has_ended()) {
    m_transport.set_end(ke::Tally::Broken);
    end_request(NtStatus::ConnectionInvalid, kBroken);
    return close();
  }
  m_request->submit(std::move(*queued));
}

struct RoutedUrl {
  url::CookedUrl cooked;
  ns::Route route;
};

static http1::Refusal find_route(const http1::RequestHead &head, std::string_view bytes, const Endpoint &local, bool is_tls,
                                 RoutedUrl &routed, std::string &detail)
{
  // RFC 9110 7.4: such a request must not be served. The other way round, a scheme says nothing: the connection's counts.
  if (head.is_https_target && !is_tls)
    return {400, http1::Reason::Url, "the target is an https URL, but the connection has no TLS"};
  static thread_local url::CanonicalPath path;
  std::string_view target = head.form == http1::TargetForm::Asterisk ? std::string_view("/") : head.path.of(bytes);
  if (auto refusal = http1::refusal_for_path(url::canonicalise_path(target, settings().path, path), settings().path))
    return refusal;
  std::string_view query =
      path.query_offset == url::CanonicalPath::kNoQuery ? std::string_view() : target.substr(path.query_offset);
  if (!url::build_cooked_url(is_tls, head.host, local, path.path, query, routed.cooked))
    return {414, http1::Reason::UrlLength, "the URL is longer than 32767 characters, which HTTP_COOKED_URL can say (kCookedUrlMaxLength)"};
  const ns::UrlTree &tree = ns::UrlTree::current();
  switch (tree.find(local, head.host, url::to_upper(path.path), routed.route)) {
  case ns::Lookup::NoHost:
    detail = tree.nearest(local.port);
    return {400, http1::Reason::Hostname, "no registered URL has this host"};
  case ns::Lookup::NoPath:
    detail = tree.nearest(local.port);
    return {404, http1::Reason::NotFound, "no registered URL has this path"};
  case ns::Lookup::Found: break;
  }
  if (routed.route.queue_id == 0)
    return {503, http1::Reason::AppOffline, "the URL group of the request is not bound to a request queue"};
  return {};
}

// Nullopt: it has been refused.
std::optional<queue::QueuedRequest> Connection::route(const http1::RequestHead &head, std::string_view bytes)
{
  static thread_local RoutedUrl routed;
  std::string detail;
  if (auto refusal = find_route(head, bytes, m_local, m_transport.is_tls(), routed, detail)) {
    refuse(refusal, detail);
    return std::nullopt;
  }
  if (!m_request->assign_id()) {
    refuse({503, http1::Reason::QueueFull, "the core has 1048576 requests, and no more ids (IdTable)"}, {});
    return std::nullopt;
  }
  return describe(head, bytes, routed);
}

static void describe_tls(const tls::TlsStream &stream, ImageFacts &facts)
{
  const tls::TlsContext &context = *stream.context();
  const tls::ConnectionFacts &connection = stream.facts();
  facts.is_tls = true;
  facts.server_key_bits = context.server_certificate_key_bits();
  facts.connection_key_bits = connection.cipher_strength;
  facts.tls_version = connection.protocol == kSchannelTls13 ? 0x0304 : 0x0303;
  facts.tls_cipher_suite = connection.cipher_suite;
  facts.server_issuer = context.server_certificate_issuer();
  facts.server_subject = context.server_certificate_subject();
  if (const tls::ClientCertificate *certificate = stream.client_certificate()) {
    facts.client_certificate = certificate->leaf;
    facts.client_certificate_flags = certificate->flags;
  }
}

queue::QueuedRequest Connection::describe(const http1::RequestHead &head, std::string_view bytes, const RoutedUrl &routed)
{
  ImageFacts facts;
  facts.connection_id = m_id;
  facts.raw_connection_id = m_id;
  facts.request_id = m_request->id();
  facts.url_context = routed.route.url_context;
  facts.is_ip_routed = routed.route.is_ip_routed;
  facts.local = m_local;
  facts.remote = m_remote;
  if (m_transport.is_tls()) {
    m_transport.refresh_verdict();
    describe_tls(m_transport.tls(), facts);
  }
  queue::QueuedRequest queued;
  queued.request_id = m_request->id();
  queued.connection_id = m_id;
  queued.queue_id = routed.route.queue_id;
  queued.image = build_request_image(head, bytes, routed.cooked, facts);
  return queued;
}

// Body bytes of the current request; what follows them stays for the next one.
bool Connection::process_body()
{
  if (m_phase == Phase::Drain)
    m_request->body().drop();
  if (m_request->body().has_ended() || m_input.empty())
    return false;
  bool ok = true;
  consume_input(m_request->take_body_bytes(input(), ok));
  if (!ok) {
    const http1::Refusal refusal = m_request->chunk_refusal();
    if (m_phase == Phase::Response && !m_request->is_delivered()) {
      refuse(refusal, {});
      return false;
    }
    log(LogKind::Request, "{}: {}", m_transport.label(), refusal.sentence());
    abort(NtStatus::ConnectionAborted, refusal.text, ke::Tally::Refused);
    return false;
  }
  if (m_phase == Phase::Response) {
    m_request->continue_attaching();
    return false;
  }
  m_request->body().drop();
  if (!m_request->body().has_ended())
    return false;
  end_request(NtStatus::ConnectionInvalid, kAnswered);
  next_request();
  return true;
}

// RFC 5246 7.2.1 would allow it in a renegotiation; GnuTLS breaks off, so it waits as responses do.
void Connection::send_continue()
{
  m_continue_is_due = m_transport.is_write_blocked();
  if (!m_continue_is_due)
    m_transport.write(kContinue);
}

void Connection::body_was_read()
{
  end_complete_response();
  if (!m_transport.is_closing())
    input_changed();
}

// One that its worker has not ended, when its request has been read or the next one has come.
void Connection::end_complete_response()
{
  if (m_request && m_request->is_only_held())
    m_request->response().pump();
}

void Connection::response_finished()
{
  bool has_rest = !m_request->body().has_ended();
  bool can_have_rest = !m_peer_ended && !m_request->body().has_failed();
  bool keeps = m_request->response().keeps_connection() && !m_close_after_response && (!has_rest || can_have_rest);
  if (!keeps) {
    end_request(NtStatus::ConnectionInvalid, kAnswered);
    return close();
  }
  if (has_rest) {
    m_phase = Phase::Drain;
    m_request->end_reading(kAnswered);
  } else {
    end_request(NtStatus::ConnectionInvalid, kAnswered);
    next_request();
  }
  process_input();
  if (!m_transport.is_closing())
    input_changed();
}

void Connection::end_request(NtStatus status, const std::string &reason)
{
  m_request->end(status, reason);
  // One that had none, since it was answered here, leaves what an earlier one's unsent response counts for.
  if (auto share = m_request->take_share())
    m_share = std::move(share);
  m_request.reset();
  give_share_back();
  m_buffered.set(m_input.capacity()); // the connection may take a while to close
  m_continue_is_due = false;
}

void Connection::give_share_back()
{
  if (!m_transport.has_unsent() && !m_certificate.needs_input())
    m_share = {};
}

void Connection::next_request()
{
  m_parser.reset();
  m_phase = Phase::Head;
  m_awaited = Awaited::Nothing; // what the next one needs has a time of its own, though the same were awaited
  if (!m_input.empty())
    return;
  if (m_input.capacity() > limits::kIdleBufferBytes)
    keep_spare(m_input); // idle connections are many
  if (m_peer_ended)
    close();
}

void Connection::begin_closing()
{
  m_phase = Phase::Closing;
  m_awaited = Awaited::Nothing;
  ke::Core::current().network_timers().cancel(*this);
  update_idleness();
}

void Connection::close()
{
  begin_closing();
  m_transport.close();
}

void Connection::refuse(const http1::Refusal &refusal, const std::string &detail)
{
  log(LogKind::Request, "{}: {} {}: {}{}{}", m_transport.label(), refusal.status, http1::reason_name(refusal.reason),
      refusal.sentence(), detail.empty() ? "" : "; ", detail);
  bool is_head = m_parser.head().verb == http1::Verb::Head;
  m_transport.set_end(ke::Tally::Refused);
  begin_closing();
  if (m_request)
    end_request(NtStatus::ConnectionInvalid, refusal.text);
  if (m_transport.is_write_blocked())
    m_transport.allow_writes_during_exchange();
  m_transport.write(own_answer(refusal, is_head));
  m_transport.close();
}

void Connection::wait_disconnect(io::IrpPtr irp)
{
  if (m_peer_ended || m_transport.is_closing())
    return io::complete(std::move(irp), NtStatus::Success);
  m_disconnect_waits.park(std::move(irp));
}

void Connection::receive_certificate(io::IrpPtr irp)
{
  m_certificate.receive(std::move(irp));
  input_changed();
}

void Connection::on_certificate_outcome(const tls::TlsStream::Event &event)
{
  m_certificate.on_outcome(event);
}

void Connection::certificate_wait_ended()
{
  give_share_back();
  if (m_transport.is_closing() || m_transport.is_write_blocked())
    return;
  if (std::exchange(m_continue_is_due, false))
    m_transport.write(kContinue);
  if (m_request)
    m_request->response().pump();
  if (!m_transport.is_closing())
    input_changed();
}

void Connection::on_writable()
{
  if (m_request)
    m_request->response().pump();
}

// FIN or close_notify: bytes before it are processed, an answer under way is finished, a request in the middle is dropped.
void Connection::on_peer_end()
{
  m_peer_ended = true;
  m_disconnect_waits.complete_all(NtStatus::Success);
  switch (m_phase) {
  case Phase::Closing: return;
  case Phase::Handshake:
  case Phase::Head: return close_for_client();
  case Phase::Response:
    if (m_request->body().has_ended())
      return;
    if (m_request->is_delivered()) {
      m_transport.set_end(ke::Tally::Broken);
      m_request->body().fail(NtStatus::ConnectionInvalid, kBroken);
      m_request->continue_attaching();
      return input_changed();
    }
    break;
  case Phase::Drain: break;
  }
  m_transport.set_end(ke::Tally::Broken);
  end_request(NtStatus::ConnectionInvalid, kBroken);
  close();
}

void Connection::on_closed(NtStatus status, const std::string &reason)
{
  RefPtr<Connection> self(this);
  ke::count(m_transport.end_or(end_by_client()));
  begin_closing();
  std::string why = reason.empty() ? "the connection was closed" : reason;
  if (m_request)
    end_request(is_success(status) ? NtStatus::ConnectionInvalid : status, why);
  m_certificate.on_connection_closed(why);
  m_disconnect_waits.complete_all(NtStatus::Success);
  for (const auto &channel : m_channels)
    queue::connection_gone(channel, m_id);
  m_channels.clear();
  id_tables().connections.remove(m_id);
  counters().connections.fetch_sub(1, std::memory_order_relaxed);
  m_id = 0;
}

void Connection::input_changed()
{
  size_t body = m_request ? m_request->body().buffered() : 0;
  m_buffered.set(m_input.capacity() + body);
  m_certificate.note_kept_bytes(input_bytes() + body);
  if (m_transport.is_closing())
    return;
  update_reading();
  update_timer();
}

// The window: what nobody reads is not taken off the socket. While a certificate is awaited the client must get its whole body out
// before it can answer.
void Connection::update_reading()
{
  size_t body = m_request ? m_request->body().buffered() : 0;
  // A head has limits of its own, which may be larger.
  const BufferWindows &windows = buffer_windows();
  bool has_much_input = m_phase != Phase::Head && input_bytes() >= windows.input;
  bool has_much_body = m_phase != Phase::Drain && body >= windows.body;
  if ((has_much_input || has_much_body) && !m_certificate.needs_input())
    m_transport.pause_reading();
  else
    m_transport.resume_reading();
}

Connection::Awaited Connection::awaited() const
{
  switch (m_phase) {
  case Phase::Handshake: return Awaited::Handshake;
  case Phase::Head: return m_parser.has_started() ? Awaited::Head : m_certificate.is_waiting() ? Awaited::Nothing : Awaited::Request;
  case Phase::Drain: return Awaited::Rest;
  case Phase::Response: {
    // Back-pressure of ours is no fault of the client's, and who is asked for a certificate has a time for that.
    const EntityBody &body = m_request->body();
    bool is_due = !body.has_ended() && !body.has_failed() && !m_request->awaits_continue() && !m_continue_is_due &&
                  !m_certificate.is_waiting() && body.buffered() < buffer_windows().body;
    return is_due ? Awaited::Body : Awaited::Nothing;
  }
  case Phase::Closing: break;
  }
  return Awaited::Nothing;
}

platform::Milliseconds Connection::time_for(Awaited what)
{
  switch (what) {
  case Awaited::Handshake: return settings().handshake;
  case Awaited::Request: return settings().idle_connection;
  case Awaited::Head: return settings().header_wait;
  case Awaited::Body: return settings().entity_body;
  case Awaited::Rest: return settings().drain_entity_body;
  case Awaited::Nothing: break;
  }
  return platform::kNever;
}

void Connection::update_timer()
{
  Awaited now_awaited = awaited();
  // Only a body may go on for ever, as long as enough comes.
  const bool has_come = now_awaited == Awaited::Body && m_come >= settings().entity_body_bytes;
  const bool goes_on = now_awaited == m_awaited && is_set() && !has_come;
  m_awaited = now_awaited;
  auto &core = ke::Core::current();
  if (!goes_on)
    m_come = 0;
  if (now_awaited == Awaited::Nothing)
    core.network_timers().cancel(*this);
  else if (!goes_on)
    core.network_timers().set(*this, core.now() + time_for(now_awaited));
  update_idleness();
}

void Connection::on_timer()
{
  RefPtr<Connection> self(this);
  m_transport.set_end(end_by_time());
  if (m_awaited == Awaited::Request)
    return close();
  static constexpr const char *kNames[] = {"", "TLS handshake", "request", "request head", "request body", "rest of the request body"};
  const std::string reason = fmt::format("the time for the {} is over", kNames[static_cast<size_t>(m_awaited)]);
  log(LogKind::Connection, "{}: closed, {}", m_transport.label(), reason);
  m_transport.abort(NtStatus::ConnectionInvalid, reason);
}

}
