// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/connection.h"
#include "kernel/base/log.h"
#include "kernel/http/counters.h"
#include "kernel/http/id_tables.h"
#include "kernel/http/own_answer.h"
#include "kernel/http/request_image.h"
#include "kernel/http/settings.h"
#include "kernel/ns/url_tree.h"
#include "kernel/url/case_map.h"
#include <algorithm>

namespace httpsys::http {

// SP_PROT_TLS1_3_SERVER, as tls::ConnectionFacts has it.
static constexpr uint32_t kSchannelTls13 = 0x1000;

Connection::Connection(int socket, const Endpoint &local, const Endpoint &remote)
  : m_local(local), m_remote(remote), m_transport(*this, socket, m_local, m_remote), m_parser(settings().parser), m_certificate(*this)
{
}

Connection::~Connection()
{
  VERIFY(m_id == 0 && m_disconnect_waits.is_empty());
}

Connection *Connection::find(uint64_t id)
{
  return id_tables().connections.find(id);
}

static std::vector<RefPtr<Connection>> connections_of_this_core()
{
  std::vector<RefPtr<Connection>> all;
  id_tables().connections.for_each([&](Connection &connection) { all.emplace_back(connection); });
  return all;
}

void Connection::drain_this_core()
{
  for (auto &connection : connections_of_this_core()) {
    connection->close_after_response();
    if (connection->m_phase != Phase::Head || connection->m_parser.has_started())
      continue;
    connection->m_phase = Phase::Closing;
    connection->m_transport.close();
  }
}

void Connection::abort_this_core()
{
  for (auto &connection : connections_of_this_core())
    connection->abort(NtStatus::ConnectionAborted, "httpsysd ends");
}

void Connection::accept(int socket)
{
  auto local = platform::system().local_endpoint(socket), remote = platform::system().remote_endpoint(socket);
  bool full = id_tables().connections.count() >= limits::kConnectionsPerCore;
  if (full)
    log("connection refused: core {} has {} connections, its limit", ke::Core::current().id(), limits::kConnectionsPerCore);
  // A peer that is gone already has no address any more.
  if (full || local.is_error() || remote.is_error())
    return platform::system().close(socket);
  auto connection = RefPtr<Connection>::adopt(new Connection(socket, *local, *remote));
  connection->start();
}

void Connection::start()
{
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
  m_input.insert(m_input.end(), bytes.begin(), bytes.end());
  process_input();
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
  if (m_is_processing)
    return;
  m_is_processing = true;
  bool goes_on = true;
  while (goes_on && !m_transport.is_closing()) {
    switch (m_phase) {
    case Phase::Head: goes_on = process_head(); break;
    case Phase::Response:
    case Phase::Drain: goes_on = process_body(); break;
    case Phase::Handshake:
    case Phase::Closing: goes_on = false;
    }
  }
  m_is_processing = false;
  if (m_transport.is_closing())
    return;
  update_reading();
  update_timer();
}

bool Connection::process_head()
{
  if (m_input.empty())
    return false;
  switch (m_parser.parse(input())) {
  case http1::ParseOutcome::NeedMore:
    if (m_peer_ended) {
      m_phase = Phase::Closing;
      m_transport.close();
    }
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
  route(head, input());
}

struct RoutedUrl {
  url::CookedUrl cooked;
  ns::Route route;
};

static http1::Refusal find_route(const http1::RequestHead &head, std::string_view bytes, const Endpoint &local, bool is_tls,
                                 RoutedUrl &routed, std::string &detail)
{
  static thread_local url::CanonicalPath path;
  std::string_view target = head.form == http1::TargetForm::Asterisk ? std::string_view("/") : head.path.of(bytes);
  if (auto refusal = http1::refusal_for_path(url::canonicalise_path(target, settings().path, path)))
    return refusal;
  std::string_view query =
      path.query_offset == url::CanonicalPath::kNoQuery ? std::string_view() : target.substr(path.query_offset);
  if (!url::build_cooked_url(is_tls, head.host, local, path.path, query, routed.cooked))
    return {414, http1::Reason::UrlLength, "the URL is longer than HTTP_COOKED_URL can say"};
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

void Connection::route(const http1::RequestHead &head, std::string_view bytes)
{
  static thread_local RoutedUrl routed;
  std::string detail;
  if (auto refusal = find_route(head, bytes, m_local, m_transport.is_tls(), routed, detail)) {
    return refuse(refusal, detail);
  }
  if (!m_request->assign_id())
    return refuse({503, http1::Reason::QueueFull, "the core has as many requests as it may have"}, {});
  // The body bytes that are here already, so that a receive which wants them finds them.
  bool ok = true;
  size_t body_bytes = m_request->take_body_bytes(bytes.substr(head.head_bytes), ok);
  if (!ok)
    return refuse(m_request->chunk_refusal(), {});
  auto queued = build_queued_request(head, bytes, routed, body_bytes);
  consume_input(head.head_bytes + body_bytes);
  // Last: on one core the whole way to the worker, and even a refusal, happens inside this call.
  queue::submit_request(std::move(queued));
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

queue::QueuedRequest Connection::build_queued_request(const http1::RequestHead &head, std::string_view bytes,
                                                      const RoutedUrl &routed, size_t body_bytes)
{
  ImageFacts facts;
  facts.connection_id = m_id;
  facts.raw_connection_id = m_id;
  facts.request_id = m_request->id();
  facts.url_context = routed.route.url_context;
  facts.bytes_received = head.head_bytes + body_bytes;
  facts.is_ip_routed = routed.route.is_ip_routed;
  facts.local = m_local;
  facts.remote = m_remote;
  if (m_transport.is_tls()) {
    m_transport.tls().refresh_verdict();
    describe_tls(m_transport.tls(), facts);
  }
  queue::QueuedRequest queued;
  queued.request_id = m_request->id();
  queued.connection_id = m_id;
  queued.queue_id = routed.route.queue_id;
  queued.image = build_request_image(head, bytes, routed.cooked, facts);
  m_request->set_queue_id(queued.queue_id);
  return queued;
}

// Body bytes of the current request; what follows them stays for the next one.
bool Connection::process_body()
{
  if (!m_request || m_request->body().has_ended() || m_input.empty())
    return false;
  bool ok = true;
  size_t consumed = m_request->take_body_bytes(input(), ok);
  consume_input(consumed);
  if (!ok) {
    http1::Refusal refusal = m_request->chunk_refusal();
    if (m_phase == Phase::Response && !m_request->is_delivered()) {
      refuse(refusal, {});
      return false;
    }
    log("{} -> {}: {}", m_remote.to_string(), m_local.to_string(), refusal.text);
    m_request->body().fail(NtStatus::ConnectionInvalid, refusal.text);
    m_request->continue_attaching();
    abort(NtStatus::ConnectionAborted, refusal.text);
    return false;
  }
  m_request->continue_attaching();
  if (m_phase == Phase::Drain) {
    std::vector<uint8_t> dropped;
    m_request->body().take(SIZE_MAX, dropped);
    if (m_request->body().has_ended()) {
      finish_request();
      next_request();
      return true;
    }
  }
  m_certificate.note_kept_bytes(m_request->body().buffered());
  return false;
}

void Connection::note_channel(io::ChannelAddress channel)
{
  if (std::ranges::find(m_channels, channel) == m_channels.end())
    m_channels.push_back(channel);
}

void Connection::send_continue()
{
  m_transport.write("HTTP/1.1 100 Continue\r\n\r\n");
}

void Connection::body_was_read()
{
  m_certificate.note_kept_bytes(m_request ? m_request->body().buffered() : 0);
  update_reading();
}

void Connection::response_finished()
{
  bool keeps = m_request->response().keeps_connection() && !m_close_after_response;
  if (!keeps || m_transport.is_closing()) {
    m_phase = Phase::Closing;
    finish_request();
    m_transport.close();
    return;
  }
  m_certificate.note_kept_bytes(0);
  if (m_request->body().has_ended()) {
    finish_request();
    next_request();
  } else {
    m_phase = Phase::Drain;
  }
  process_input();
}

void Connection::finish_request()
{
  m_request->retire_id();
  m_request->body().fail(NtStatus::ConnectionInvalid, "the response has been sent");
  m_request.reset();
}

void Connection::next_request()
{
  m_parser.reset();
  m_phase = Phase::Head;
  if (m_peer_ended && m_input.empty()) {
    m_phase = Phase::Closing;
    m_transport.close();
  }
}

void Connection::refuse(const http1::Refusal &refusal, const std::string &detail)
{
  log("{} -> {}: {} {}: {}{}{}", m_remote.to_string(), m_local.to_string(), refusal.status, http1::reason_name(refusal.reason),
      refusal.text, detail.empty() ? "" : "; ", detail);
  bool is_head = m_parser.head().verb == http1::Verb::Head;
  m_phase = Phase::Closing;
  if (m_request) {
    if (!m_request->is_delivered() && m_request->id() != 0)
      queue::withdraw_request(m_request->queue_id(), m_request->id());
    finish_request();
  }
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
  update_reading();
}

void Connection::on_certificate_outcome(const tls::TlsStream::Event &event)
{
  m_certificate.on_outcome(event);
}

void Connection::certificate_wait_ended()
{
  if (m_transport.is_closing())
    return;
  if (m_request)
    m_request->response().pump();
  update_reading();
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
  if (m_phase == Phase::Closing)
    return;
  bool in_the_middle = m_phase == Phase::Head || m_phase == Phase::Handshake || !m_request->body().has_ended();
  if (!in_the_middle)
    return;
  if (m_phase == Phase::Response && m_request->is_delivered()) {
    m_request->body().fail(NtStatus::ConnectionInvalid, "the client closed the connection in the middle of the request body");
    m_request->continue_attaching();
    return;
  }
  m_phase = Phase::Closing;
  if (m_request) {
    if (!m_request->is_delivered())
      queue::withdraw_request(m_request->queue_id(), m_request->id());
    finish_request();
  }
  m_transport.close();
}

void Connection::on_closed(NtStatus status, const std::string &reason)
{
  RefPtr<Connection> self(this);
  ke::Core::current().timers().cancel(*this);
  m_phase = Phase::Closing;
  std::string why = reason.empty() ? "the connection was closed" : reason;
  NtStatus failure = is_success(status) ? NtStatus::ConnectionInvalid : status;
  if (m_request) {
    if (!m_request->is_delivered() && m_request->id() != 0)
      queue::withdraw_request(m_request->queue_id(), m_request->id());
    m_request->response().fail(failure, why);
    m_request->body().fail(NtStatus::ConnectionInvalid, why);
    m_request->continue_attaching();
    m_request->retire_id();
    m_request.reset();
  }
  m_certificate.on_connection_closed(why);
  m_disconnect_waits.complete_all(NtStatus::Success);
  for (const auto &channel : m_channels)
    queue::connection_gone(channel, m_id);
  m_channels.clear();
  id_tables().connections.remove(m_id);
  counters().connections.fetch_sub(1, std::memory_order_relaxed);
  m_id = 0;
}

// The window: what nobody reads is not taken off the socket. While a certificate is awaited the client must get its whole body out
// before it can answer.
void Connection::update_reading()
{
  if (m_transport.is_closing() || m_transport.is_closed())
    return;
  size_t behind = m_input.size() - m_input_offset;
  size_t body = m_request ? m_request->body().buffered() : 0;
  bool is_full = behind >= limits::kPipelinedBytes || (body >= limits::kBodyWindowBytes && m_phase != Phase::Drain);
  if (is_full && !m_certificate.is_waiting())
    m_transport.pause_reading();
  else
    m_transport.resume_reading();
}

void Connection::update_timer()
{
  auto &timers = ke::Core::current().timers();
  platform::Milliseconds limit = platform::kNever;
  switch (m_phase) {
  case Phase::Handshake: limit = settings().handshake; break;
  case Phase::Head: limit = m_parser.has_started() ? settings().header_wait : settings().idle_connection; break;
  case Phase::Response:
    // Back-pressure of ours is no fault of the client's.
    if (m_request && !m_request->body().has_ended() && !m_request->awaits_continue() &&
        m_request->body().buffered() < limits::kBodyWindowBytes)
      limit = settings().entity_body;
    break;
  case Phase::Drain: limit = settings().drain_entity_body; break;
  case Phase::Closing: break;
  }
  bool restarts = m_phase != Phase::Handshake && !(m_phase == Phase::Head && m_parser.has_started() && is_set() && m_header_timer);
  m_header_timer = m_phase == Phase::Head && m_parser.has_started();
  if (limit == platform::kNever)
    timers.cancel(*this);
  else if (restarts || !is_set())
    timers.set(*this, ke::Core::current().now() + limit);
}

void Connection::on_timer()
{
  RefPtr<Connection> self(this);
  static constexpr const char *kReasons[] = {"TLS handshake", "request head", "request body", "rest of the request body"};
  const char *what = m_phase == Phase::Handshake  ? kReasons[0]
                     : m_phase == Phase::Head     ? kReasons[1]
                     : m_phase == Phase::Response ? kReasons[2]
                                                  : kReasons[3];
  bool is_idle = m_phase == Phase::Head && !m_parser.has_started();
  if (!is_idle)
    log("{} -> {}: closed, the time for the {} is over", m_remote.to_string(), m_local.to_string(), what);
  if (is_idle) {
    m_phase = Phase::Closing;
    return m_transport.close();
  }
  abort(NtStatus::ConnectionInvalid, std::string("the time for the ") + what + " is over");
}

}
