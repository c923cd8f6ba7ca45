// SPDX-License-Identifier: GPL-3.0-or-later
// Connection: one client connection, from accept to close: transport, HTTP/1 parsing, at most one request at the application at a
// time, the timers of design.md 6. Owned by the core that accepted it; others know its id. It holds itself while its socket is
// open.
#pragma once
#include "kernel/base/refptr.h"
#include "kernel/http/client_certificate.h"
#include "kernel/http/request.h"
#include "kernel/http/transport.h"
#include "kernel/net/idle_relief.h"
#include <memory>
#include <optional>
#include <vector>

namespace httpsys::http {

struct RoutedUrl;

class Connection final : public RefCounted<Connection>,
                         public ListLink<Connection>,
                         public TransportOwner,
                         net::IdlePlace,
                         ke::Timer {
public:
  // Takes over a connected socket on the current core.
  static void accept(int socket);
  static Connection *find(uint64_t id);
  // The daemon ends: closes what waits between requests, and every other connection after its response.
  static void drain_this_core();
  static void end_this_core();

  uint64_t id() const { return m_id; }
  const Endpoint &local() const { return m_local; }
  const Endpoint &remote() const { return m_remote; }
  Transport &transport() { return m_transport; }
  Request *request() { return m_request.get(); }

  // Bytes behind the current request are there.
  bool has_more_input() const { return input_bytes() > 0; }
  // The queue that the current request is for, and the channel that has it, if one has.
  void set_receiver(uint64_t queue_id, std::optional<io::ChannelAddress> channel) { m_receiver = {queue_id, channel}; }
  // Whether that application asks which the current request is for, or was the last one for.
  bool is_receiver(const io::Irp &irp) const;
  // HTTP_SEND_RESPONSE_FLAG_DISCONNECT of a response that has ended before: unless the connection is another queue's by now.
  void disconnect(uint64_t queue_id);
  // A channel has received a request of this connection.
  void note_channel(io::ChannelAddress channel);
  size_t channel_count() const { return m_channels.size(); }

  // From the request.
  void send_continue();
  void body_was_read();
  void response_finished();
  // From the worker: HttpCancelHttpRequest, or its death.
  void abort(NtStatus status, const std::string &reason, ke::Tally why)
  {
    m_transport.set_end(why);
    m_transport.abort(status, reason);
  }
  // The daemon answers the current request itself, and closes.
  void refuse(const http1::Refusal &refusal, const std::string &detail);

  // Operations that name the connection.
  void wait_disconnect(io::IrpPtr irp);
  void receive_certificate(io::IrpPtr irp);

  // From the certificate exchange.
  void certificate_wait_ended();
  // What held the connection on for a request that has ended may be over.
  void give_share_back();
  // Input has come or was taken, or what waits for it has changed: limits, back-pressure and timer follow.
  void input_changed();
  void close_after_response() { m_close_after_response = true; }
  bool closes_after_response() const { return m_close_after_response; }

private:
  friend class RefCounted<Connection>;
  enum class Phase {
    Handshake,
    Head,     // between requests, or in the middle of a head
    Response, // a request is with the queue or the application; its body may still be coming
    Drain,    // answered, the rest of its body is thrown away
    Closing   // no request any more
  };

  Connection(int socket, const Endpoint &local, const Endpoint &remote);
  ~Connection();
  void start();
  void ref_owner() override { ref(); }
  void unref_owner() override { unref(); }
  void on_bytes(std::span<const char> bytes) override;
  void on_handshake_done() override;
  void on_certificate_outcome(const tls::TlsStream::Event &event) override;
  void on_peer_end() override;
  void on_closed(NtStatus status, const std::string &reason) override;
  void on_writable() override;
  void on_all_sent() override;
  void on_ciphertext() override { update_idleness(); }
  bool begin_leaving() override;
  void on_stays() override { update_idleness(); }
  bool make_room() override;
  void on_timer() override;

  // What the client has to do next, in a time of its own.
  enum class Awaited { Nothing, Handshake, Request, Head, Body, Rest };

  void process_input();
  bool process_head();
  bool process_body();
  void begin_request();
  std::optional<queue::QueuedRequest> route(const http1::RequestHead &head, std::string_view bytes);
  queue::QueuedRequest describe(const http1::RequestHead &head, std::string_view bytes, const RoutedUrl &routed);
  void next_request();
  void end_complete_response();
  void end_request(NtStatus status, const std::string &reason);
  void begin_closing();
  void close();
  void close_for_client();
  void update_reading();
  void update_timer();
  Awaited awaited() const;
  bool is_idle() const;
  void update_idleness();
  static platform::Milliseconds time_for(Awaited what);
  ke::Tally end_by_client() const;
  ke::Tally end_by_time() const;
  void append_input(std::span<const char> bytes);
  void consume_input(size_t bytes);
  size_t input_bytes() const { return m_input.size() - m_input_offset; }
  std::string_view input() const { return {reinterpret_cast<const char *>(m_input.data()) + m_input_offset, input_bytes()}; }

  uint64_t m_id = 0;
  Endpoint m_local, m_remote;
  Transport m_transport;
  Phase m_phase = Phase::Handshake;
  std::vector<uint8_t> m_input;
  BufferedBytes m_buffered; // input and body
  size_t m_input_offset = 0;
  http1::RequestParser m_parser;
  std::unique_ptr<Request> m_request;
  io::IrpQueue m_disconnect_waits;
  ClientCertificateExchange m_certificate;
  std::vector<io::ChannelAddress> m_channels;
  queue::RequestShare m_share; // of a request that has ended, while its last bytes or a question of its worker's hold the connection
  struct Receiver {
    uint64_t queue_id = 0;
    std::optional<io::ChannelAddress> channel;
  };
  Receiver m_receiver;
  bool m_peer_ended = false;
  bool m_had_request = false;
  bool m_close_after_response = false;
  bool m_continue_is_due = false; // 100 Continue, behind a TLS 1.2 exchange
  bool m_is_processing = false;
  bool m_processes_again = false; // what was called from inside has made more to do
  Awaited m_awaited = Awaited::Nothing; // by the timer
  uint64_t m_come = 0;                  // bytes since it was set
};

}
