// SPDX-License-Identifier: GPL-3.0-or-later
// TlsStream is the TLS side of one connection: a state machine between ciphertext and plaintext, without socket, clock or thread. It
// belongs to the connection, is used on the connection's core only, and lives as long as the connection. The owner moves bytes:
//
//   after each read of the socket:  receive(), advance(), then read() until it gives 0
//   to send:                        write() while it takes bytes; then send output() and consume_output()
//   after any call:                 state(), take_event(); output() may have grown
//
// Failed: send what output() has (it ends with the alert), shutdown(SHUT_WR), read and drop for at most limits::kTlsLingerMilliseconds,
// close; a close with unread input is a reset, and the peer would never see the alert.
#pragma once
#include "kernel/tls/record_check.h"
#include "kernel/tls/tls_context.h"
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct WOLFSSL;
struct WOLFSSL_X509_STORE_CTX;

namespace httpsys::tls {

enum class CertificateOrigin : uint8_t { Handshake, PostHandshake, Renegotiation };

struct ClientCertificate {
  Der leaf;
  std::vector<Der> chain; // the others in the order in which the client sent them
  uint32_t flags = 0;     // CertFlags: 0 or the Windows status of the reason
  std::string reason;     // why flags is not 0, one phrase
  CertificateOrigin origin = CertificateOrigin::Handshake;
};

// For HTTP_SSL_INFO and HTTP_SSL_PROTOCOL_INFO; the numbers are Schannel's (http-server-api 3.5).
struct ConnectionFacts {
  uint32_t protocol = 0;          // SP_PROT_TLS1_2_SERVER 0x400, SP_PROT_TLS1_3_SERVER 0x1000
  uint16_t cipher_suite = 0;      // IANA number
  std::string cipher_suite_name;  // IANA name, "TLS_AES_128_GCM_SHA256"
  uint32_t cipher_type = 0;       // CALG_AES_128 0x660e, CALG_AES_256 0x6610; ChaCha20 has none: 0
  uint32_t cipher_strength = 0;   // bits
  uint32_t hash_type = 0;         // CALG_SHA_256 0x800c, CALG_SHA_384 0x800d
  uint32_t hash_strength = 0;     // bits
  uint32_t key_exchange_type = 0; // CALG_ECDH_EPHEM 0xae06
  uint32_t key_exchange_strength = 0; // bits of the curve; 0 when wolfSSL does not tell
  std::string group;              // "X25519", "SECP256R1", "X25519MLKEM768"; "" when not known
  bool resumed = false;
};

class TlsStream final : private RecordSession {
public:
  // The server name of the hello ("" without one) to the context that serves it now; null: there is none. Called from inside
  // advance(), where null ends the connection, and for each refresh_verdict().
  using ContextSelector = std::function<RefPtr<TlsContext>(std::string_view server_name)>;

  enum class State : uint8_t {
    Handshake,
    Open,       // plaintext flows both ways
    PeerClosed, // nothing more will be read; writing still works (RFC 8446 6.1)
    Failed      // over: see failure()
  };
  struct Failure {
    std::string reason;                    // one phrase for the one log line
    std::optional<uint8_t> alert_sent;     // the alert that output() ends with
    std::optional<uint8_t> alert_received; // the client's alert that ended it
  };
  enum class Ask : uint8_t {
    AlreadyKnown, // client_certificate() is there
    KnownAbsent,  // asked before, and the client has none, declined or refused to renegotiate
    CannotAsk,    // see reason; the connection is unharmed
    Started       // the answer will come as an event; also when an earlier question is still open
  };
  struct AskAnswer {
    Ask ask;
    std::string reason; // for KnownAbsent and CannotAsk
  };
  enum class Outcome : uint8_t { Certificate, None, Failed };
  struct Event {
    Outcome outcome;
    std::string reason; // for None and Failed; after Failed the connection ends
  };

  explicit TlsStream(ContextSelector selector);
  ~TlsStream();
  TlsStream(const TlsStream &) = delete;
  TlsStream &operator=(const TlsStream &) = delete;

  // Ciphertext from the socket, any size. Takes all of it; false: do not read the socket again before wants_input() is true.
  bool receive(std::span<const uint8_t> ciphertext);
  bool wants_input() const;
  // Some of a record has come and the rest has not, or nobody has read it yet.
  bool has_part_of_record() const { return m_check.size() > 0; }
  // The socket has ended (FIN or reset). What came before is still processed.
  void receive_eof();
  // Goes on with the handshake as far as the input allows.
  void advance();
  // Decrypted bytes, at most buffer.size(); 0: none now. Also drives an open certificate exchange, so the owner must go on reading then.
  size_t read(std::span<uint8_t> buffer);

  // Encrypts at most 16 KiB into output() and returns how many bytes it took. 0: not now (can_write() is false).
  size_t write(std::span<const uint8_t> plaintext);
  // False in the handshake, while a TLS 1.2 exchange is open (the owner queues; GnuTLS breaks on data then), while output() is over
  // limits::kTlsOutputBytes, after shutdown() and after a failure.
  bool can_write() const;
  // The owner gives up waiting for the answer of a TLS 1.2 client and sends all the same: OpenSSL takes that, GnuTLS breaks off.
  void allow_writes_while_asking() { m_writes_while_asking = true; }
  // Adds close_notify to the output; nothing can be written afterwards.
  void shutdown();
  std::span<const uint8_t> output() const { return m_output.bytes(); }
  void consume_output(size_t count) { m_output.consume(count); }
  // The socket has taken all output. What a client makes the library reply is bounded by limits::kTlsReplyBytes between two such calls:
  // it could go on asking for new keys (RFC 8446 4.6.3) and never read the answers.
  void output_has_gone() { m_reply_bytes = 0; }

  State state() const { return m_state; }
  // The whole hello has come and been answered, or is about to be.
  bool has_begun() const { return m_session != nullptr; }
  const Failure &failure() const { return m_failure; }
  // PeerClosed without close_notify: a body that ends with the connection is cut short.
  bool is_truncated() const { return m_truncated; }

  // Asks for the client's certificate: TLS 1.3 post-handshake authentication or TLS 1.2 renegotiation. One exchange at a time; its result
  // is kept for the life of the connection, also when nobody waits for it any more. After Started: read() until it gives 0, send output().
  AskAnswer ask_certificate();
  // Whether a question is open.
  bool is_asking() const { return m_exchange != Exchange::None; }
  // The end of an exchange, once.
  std::optional<Event> take_event();
  // Judges a known certificate anew when the binding's authorities or lists have changed, or a date that the verdict stands on has passed.
  // Costs a look-up when neither is so.
  void refresh_verdict();
  // Null: none known (yet).
  const ClientCertificate *client_certificate() const { return m_certificate.get(); }

  // How often the client has begun a renegotiation (TLS 1.2) and got the warning no_renegotiation; the connection goes on. The one after
  // limits::kMaxRenegotiationWarnings of them is a failure.
  uint32_t renegotiations_refused() const { return m_check.renegotiations_refused(); }

  // Null before the hello.
  const RefPtr<TlsContext> &context() const { return m_context; }
  const std::string &server_name() const { return m_check.hello().server_name; }
  // "http/1.1", "http/1.0" or "" when the client did not offer ALPN.
  const std::string &application_protocol() const { return m_application_protocol; }
  // Meaningful when state() is Open; changes with a renegotiation.
  const ConnectionFacts &facts() const { return m_facts; }

  // For the library's callbacks (session_callbacks.h) only.
  int take_input(std::span<uint8_t> buffer);
  int append_output(std::span<const uint8_t> bytes);
  int check_hello(int &alert);
  bool collect_certificates(const WOLFSSL_X509_STORE_CTX &store);

private:
  enum class Exchange : uint8_t { None, PostHandshake, Renegotiation };

  bool begin();
  // Whether wolfSSL can serve what the hello offers; it would say less of it.
  bool check_offer();
  bool create_session();
  void finish_handshake();
  void note_facts();
  void handle_read_error(int code);
  void handle_wait();
  // False: the client makes us reply and takes nothing.
  bool count_replies();
  void peer_closed(bool truncated);

  size_t read_while_renegotiating(std::span<uint8_t> buffer);
  int go_on_renegotiating(); // as wolfSSL_Rehandshake
  AskAnswer ask_post_handshake();
  AskAnswer ask_renegotiation();
  void prepare_question();
  void check_post_handshake_answer();
  std::vector<uint8_t> peer_finished() const;
  void finish_exchange();
  // Takes over what the client sent as its certificate. False: the connection has failed.
  bool accept_collected(CertificateOrigin origin);
  void end_exchange(Outcome outcome, std::string reason);

  void fail_with_library(int code);
  void fail_with_refusal();
  void fail(std::string reason, Alert alert, bool is_silent = false);
  std::string library_reason(int code) const;

  bool is_tls13() const override;
  bool handshake_is_done() const override { return m_handshake_done; }
  bool read_keys_are_on() const override;
  bool is_renegotiating() const override { return m_exchange == Exchange::Renegotiation; }
  bool request_is_open() const override { return m_exchange == Exchange::PostHandshake; }
  bool message_is_pending() const override;
  int peek(std::span<const uint8_t> record, int &first) const override;
  void allow_key_update(bool on) override;
  void skip_record() override;
  void warn_no_renegotiation() override;

  ContextSelector m_selector;
  RefPtr<TlsContext> m_context;
  WOLFSSL *m_session = nullptr;
  void *m_transcript = nullptr; // saved by httpsys_wolfssl_rewind_transcript
  RecordCheck m_check;
  ByteQueue m_output;
  size_t m_output_mark = 0; // size of m_output before the library call that runs
  size_t m_reply_bytes = 0; // what reading has added to the output since that was all gone
  State m_state = State::Handshake;
  Exchange m_exchange = Exchange::None;
  bool m_handshake_done = false;
  bool m_eof = false;
  bool m_truncated = false;
  bool m_shut_down = false;
  bool m_writes_while_asking = false;
  bool m_muted = false;           // a fatal alert has gone out: nothing may follow
  bool m_certificate_absent = false;
  bool m_has_new_input = false;   // since the renegotiation went on
  bool m_has_begun_renegotiating = false;
  bool m_is_reading = false;      // the library, after the handshake
  int m_questions = 0;            // post-handshake requests so far
  std::string m_certificate_absent_reason;
  std::string m_certificate_fault; // why the verify callback stopped the exchange
  std::vector<uint8_t> m_finished_before; // the client's Finished when the open request went out
  std::vector<Der> m_collected;           // the list of the client's last Certificate message
  std::unique_ptr<ClientCertificate> m_certificate;
  RefPtr<TlsContext> m_judge; // whose authorities the verdict on it is from
  int64_t m_verdict_good_until = 0; // seconds since 1970
  std::optional<Event> m_event;
  Failure m_failure;
  std::string m_application_protocol;
  ConnectionFacts m_facts;
};

}
