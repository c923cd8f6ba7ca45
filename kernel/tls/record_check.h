// SPDX-License-Identifier: GPL-3.0-or-later
// RecordCheck stands between the socket and wolfSSL: it holds the ciphertext that has come, hands out one whole record at a time, joins
// fragmented hellos, drops what RFC 8446 says to ignore and refuses what wolfSSL would let pass or end without an alert. One per
// connection, part of its TlsStream, on the connection's core. A pure state machine of bytes; what it must know of the library's
// connection it asks through RecordSession.
#pragma once
#include "kernel/limits.h"
#include "kernel/tls/alerts.h"
#include "kernel/tls/byte_queue.h"
#include "kernel/tls/client_hello.h"
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace httpsys::tls {

// The log's words for a client's certificate list over its limit; both in bytes.
std::string certificate_limit_text(size_t list_bytes, uint32_t limit);

// The library's connection, as far as the check needs it. The check calls it only when the library asks for the next record: then it has
// finished with all earlier ones, and its state may be asked.
class RecordSession {
public:
  virtual bool is_tls13() const = 0;          // negotiated version; TLS 1.2 otherwise
  virtual bool handshake_is_done() const = 0; // the first one
  virtual bool read_keys_are_on() const = 0;  // TLS 1.3: records from the client are encrypted by now
  virtual bool is_renegotiating() const = 0;  // TLS 1.2: we have asked for it and it goes on
  virtual bool request_is_open() const = 0;   // TLS 1.3: a certificate was requested after the handshake and has not come
  virtual bool message_is_pending() const = 0; // part of a handshake message has come and the rest has not
  // Decrypts a TLS 1.3 record on the side: inner content type, 0 if it is not for these keys, -1 without keys; first is the content's
  // first byte or -1.
  virtual int peek(std::span<const uint8_t> record, int &first) const = 0;
  virtual void allow_key_update(bool on) = 0;
  virtual void skip_record() = 0;           // TLS 1.2: counts a record that is thrown away unread
  virtual void warn_no_renegotiation() = 0; // sends the warning

protected:
  ~RecordSession() = default;
};

class RecordCheck {
public:
  struct Refusal {
    Alert alert = Alert::UnexpectedMessage;
    bool is_silent = false; // end without an alert
    std::string reason;     // one phrase for the log
  };
  enum class Progress { NeedMore, Ready, Refused };

  // Ciphertext from the socket. Nothing limits it here: the owner stops reading when size() is over limits::kTlsInputBytes.
  void append(std::span<const uint8_t> bytes) { m_input.append(bytes); }
  size_t size() const { return m_input.size(); }

  // Before there is a session: whether the whole first ClientHello is here.
  Progress read_hello() { return prepare(nullptr); }
  // The first hello, once read_hello() has said Ready.
  const ClientHello &hello() const { return m_hello; }
  // From then on a certificate list in clear (TLS 1.2, first handshake) that is longer is refused, bytes.
  void set_certificate_limit(uint32_t bytes) { m_certificate_limit = bytes; }

  // The library's read: up to buffer.size() bytes of the current record, never across its end. 0: nothing to read now, or refused.
  size_t take(RecordSession &session, std::span<uint8_t> buffer);
  const std::optional<Refusal> &refusal() const { return m_refusal; }
  // How often the client has begun a renegotiation and was told no.
  uint32_t renegotiations_refused() const { return m_renegotiations_refused; }

private:
  enum class Verdict { Deliver, Drop, Join, Refuse };
  struct Record {
    uint8_t type;
    std::span<const uint8_t> whole; // header included
    std::span<const uint8_t> body;
  };

  Progress prepare(RecordSession *session);
  bool header_is_good(const RecordSession *session);
  Verdict judge(RecordSession *session, const Record &record);
  Verdict judge_tls13(RecordSession &session, const Record &record);
  Verdict judge_encrypted(RecordSession &session, const Record &record);
  Verdict judge_tls12(RecordSession &session, const Record &record);
  // Takes a handshake record in clear into the messages that are being joined. False: refused.
  bool join(std::span<const uint8_t> body);
  bool check_message(uint8_t type, size_t length);
  bool finish_hello(std::span<const uint8_t> body);
  Verdict refuse(Alert alert, std::string reason, bool is_silent = false);

  ByteQueue m_input;
  ByteQueue m_joined;              // whole records of joined messages, given out before m_input
  std::vector<uint8_t> m_messages; // handshake messages in clear that have not come whole
  size_t m_left = 0;               // bytes of the current record that the library has not taken
  bool m_from_joined = false;      // where they lie
  ClientHello m_hello;
  bool m_hello_seen = false;
  bool m_cipher_change_seen = false;
  bool m_early_data_over = false;
  size_t m_early_data_dropped = 0; // bytes
  bool m_key_update_allowed = false;
  uint32_t m_renegotiations_refused = 0;
  uint32_t m_certificate_limit = limits::kMaxClientCertificateBytes;
  std::optional<Refusal> m_refusal;
};

}
