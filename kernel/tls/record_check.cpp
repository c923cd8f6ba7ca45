// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/record_check.h"
#include <algorithm>
#include <fmt/format.h>

namespace httpsys::tls {

namespace {

enum RecordType : uint8_t { kChangeCipherSpec = 20, kAlert = 21, kHandshake = 22, kApplicationData = 23 };
enum MessageType : uint8_t { kClientHello = 1, kCertificate = 11, kKeyUpdate = 24 };

constexpr size_t kHeader = 5;        // RFC 8446 5.1
constexpr size_t kMessageHeader = 4; // RFC 8446 4
constexpr size_t kMaxPlain = 16384;  // RFC 8446 5.1
constexpr size_t kMaxExpansion13 = 256, kMaxExpansion12 = 2048; // RFC 8446 5.2, RFC 5246 6.2.3

bool looks_like_http(std::span<const uint8_t> bytes)
{
  return bytes.size() >= 4 && std::all_of(bytes.begin(), bytes.begin() + 3, [](uint8_t byte) { return byte >= 'A' && byte <= 'Z'; });
}

}

RecordCheck::Verdict RecordCheck::refuse(Alert alert, std::string reason, bool is_silent)
{
  if (!m_refusal)
    m_refusal = Refusal{alert, is_silent, std::move(reason)};
  return Verdict::Refuse;
}

size_t RecordCheck::take(RecordSession &session, std::span<uint8_t> buffer)
{
  if (m_left == 0 && prepare(&session) != Progress::Ready)
    return 0;
  ByteQueue &source = m_from_joined ? m_joined : m_input;
  size_t count = std::min(buffer.size(), m_left);
  std::span<const uint8_t> front = source.bytes().first(count);
  std::copy(front.begin(), front.end(), buffer.begin());
  source.consume(count);
  m_left -= count;
  return count;
}

RecordCheck::Progress RecordCheck::prepare(RecordSession *session)
{
  if (m_key_update_allowed && session) {
    session->allow_key_update(false);
    m_key_update_allowed = false;
  }
  while (!m_refusal) {
    if (!m_joined.is_empty()) {
      std::span<const uint8_t> header = m_joined.bytes().first(kHeader);
      m_left = session ? kHeader + (size_t{header[3]} << 8 | header[4]) : 0;
      m_from_joined = true;
      return Progress::Ready;
    }
    if (m_input.size() < kHeader)
      return Progress::NeedMore;
    if (!header_is_good(session))
      break;
    std::span<uint8_t> bytes = m_input.bytes();
    size_t size = kHeader + (size_t{bytes[3]} << 8 | bytes[4]);
    if (bytes.size() < size)
      return Progress::NeedMore;
    Record record{bytes[0], bytes.first(size), bytes.subspan(kHeader, size - kHeader)};
    Verdict verdict = judge(session, record);
    if (verdict == Verdict::Refuse || (verdict == Verdict::Join && !join(record.body)))
      break;
    if (verdict == Verdict::Deliver) {
      m_left = size;
      m_from_joined = false;
      return Progress::Ready;
    }
    m_input.consume(size);
  }
  return Progress::Refused;
}

// By the five bytes alone: a record that is to be refused must not be waited for.
bool RecordCheck::header_is_good(const RecordSession *session)
{
  std::span<uint8_t> header = m_input.bytes();
  uint8_t type = header[0];
  size_t length = size_t{header[3]} << 8 | header[4];
  if (!m_hello_seen && (type & 0x80) && header[2] == kClientHello)
    refuse(Alert::ProtocolVersion, "an SSL 2 hello");
  else if (!m_hello_seen && looks_like_http(header))
    refuse(Alert::UnexpectedMessage, "plain HTTP on a TLS port");
  else if (type < kChangeCipherSpec || type > kApplicationData)
    refuse(Alert::UnexpectedMessage, fmt::format("a record of unknown type {}", type));
  else if (header[1] != 3)
    refuse(Alert::ProtocolVersion, fmt::format("a record of version {}.{}", header[1], header[2]));
  else if (length == 0 && !(type == kApplicationData && m_hello_seen))
    refuse(Alert::UnexpectedMessage, "an empty record");
  if (m_refusal)
    return false;
  bool is_tls13 = m_hello_seen && session && session->is_tls13();
  bool is_clear = !m_hello_seen || (is_tls13 && type != kApplicationData);
  size_t most = kMaxPlain;
  if (is_tls13 && type == kApplicationData)
    most += kMaxExpansion13;
  else if (!is_tls13 && m_cipher_change_seen)
    most += kMaxExpansion12;
  if (length > most) {
    refuse(Alert::RecordOverflow, fmt::format("a record of {} bytes", length));
    return false;
  }
  if (is_clear)
    header[2] = 3; // RFC 8446 5.1: legacy_record_version must be ignored
  return true;
}

RecordCheck::Verdict RecordCheck::judge(RecordSession *session, const Record &record)
{
  if (!m_messages.empty() && record.type != kHandshake)
    return refuse(Alert::UnexpectedMessage, "another record between the fragments of a handshake message"); // RFC 8446 5.1
  if (session && m_hello_seen)
    return session->is_tls13() ? judge_tls13(*session, record) : judge_tls12(*session, record);
  if (record.type == kHandshake)
    return Verdict::Join;
  if (record.type == kAlert)
    return refuse(Alert::UnexpectedMessage,
                  fmt::format("the client sent the alert {} instead of a hello", alert_name(record.body.back())), true);
  return refuse(Alert::UnexpectedMessage, fmt::format("a record of type {} before the hello", record.type));
}

RecordCheck::Verdict RecordCheck::judge_tls13(RecordSession &session, const Record &record)
{
  switch (record.type) {
  case kChangeCipherSpec:
    // RFC 8446 5: one with the value 1, before the client's Finished, is dropped.
    if (m_cipher_change_seen || session.handshake_is_done() || record.body.size() != 1 || record.body[0] != 1)
      return refuse(Alert::UnexpectedMessage, "a ChangeCipherSpec out of place");
    m_cipher_change_seen = true;
    return Verdict::Drop;
  case kAlert:
    if (session.read_keys_are_on() && record.body.size() == 2)
      return refuse(Alert::UnexpectedMessage,
                    fmt::format("the client could not read our answer: {} (alert {})", alert_name(record.body[1]), record.body[1]), true);
    return Verdict::Deliver;
  case kHandshake: // in clear: the hello that answers a HelloRetryRequest
    if (session.read_keys_are_on())
      return refuse(Alert::UnexpectedMessage, "a handshake record in clear");
    return Verdict::Join;
  default:
    return judge_encrypted(session, record);
  }
}

RecordCheck::Verdict RecordCheck::judge_encrypted(RecordSession &session, const Record &record)
{
  bool may_be_early = m_hello.has_early_data && !session.handshake_is_done() && !m_early_data_over;
  bool is_pending = session.message_is_pending();
  bool may_be_key_update = session.request_is_open() && !is_pending;
  if (!may_be_early && !is_pending && !may_be_key_update)
    return Verdict::Deliver;
  int first = -1;
  int type = session.peek(record.whole, first);
  if (may_be_early && type <= 0) {
    // RFC 8446 4.2.10: early data that we have not accepted is skipped, up to a limit. Beyond it wolfSSL ends the connection.
    m_early_data_dropped += record.whole.size();
    return m_early_data_dropped <= limits::kMaxEarlyDataDropped ? Verdict::Drop : Verdict::Deliver;
  }
  m_early_data_over |= may_be_early;
  if (is_pending && type != kHandshake)
    return refuse(Alert::UnexpectedMessage, "another record between the fragments of a handshake message");
  if (may_be_key_update && type == kHandshake && first == kKeyUpdate) {
    session.allow_key_update(true);
    m_key_update_allowed = true;
  }
  return Verdict::Deliver;
}

RecordCheck::Verdict RecordCheck::judge_tls12(RecordSession &session, const Record &record)
{
  if (!m_cipher_change_seen) {
    if (record.type == kHandshake)
      return Verdict::Join;
    if (record.type == kChangeCipherSpec) {
      if (record.body.size() != 1)
        return refuse(Alert::UnexpectedMessage, "a ChangeCipherSpec of the wrong length");
      m_cipher_change_seen = true;
    }
    return Verdict::Deliver;
  }
  if (record.type != kHandshake || !session.handshake_is_done() || session.is_renegotiating())
    return Verdict::Deliver;
  // RFC 5246 7.2.2: a renegotiation that the client begins is answered with a warning and forgotten.
  if (++m_renegotiations_refused > limits::kMaxRenegotiationWarnings)
    return refuse(Alert::NoRenegotiation,
                  fmt::format("the client goes on asking for a renegotiation, more than {} times (kMaxRenegotiationWarnings)",
                              limits::kMaxRenegotiationWarnings));
  session.skip_record();
  session.warn_no_renegotiation();
  return Verdict::Drop;
}

bool RecordCheck::join(std::span<const uint8_t> body)
{
  m_messages.insert(m_messages.end(), body.begin(), body.end());
  size_t whole = 0;
  bool ends_hello = false;
  while (m_messages.size() - whole >= kMessageHeader || (ends_hello && whole < m_messages.size())) {
    if (ends_hello) {
      refuse(Alert::UnexpectedMessage, "something behind the hello in its record"); // RFC 8446 5.1
      return false;
    }
    const uint8_t *header = &m_messages[whole];
    size_t length = size_t{header[1]} << 16 | size_t{header[2]} << 8 | header[3];
    if (!check_message(header[0], length))
      return false;
    if (m_messages.size() - whole - kMessageHeader < length)
      break;
    ends_hello = header[0] == kClientHello;
    if (ends_hello && !finish_hello(std::span<const uint8_t>(m_messages).subspan(whole + kMessageHeader, length)))
      return false;
    whole += kMessageHeader + length;
  }
  std::span<const uint8_t> rest = std::span<const uint8_t>(m_messages).first(whole);
  while (!rest.empty()) {
    size_t size = std::min(rest.size(), kMaxPlain);
    const uint8_t header[kHeader] = {kHandshake, 3, 3, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)};
    m_joined.append(header);
    m_joined.append(rest.first(size));
    rest = rest.subspan(size);
  }
  if (whole == m_messages.size())
    std::vector<uint8_t>().swap(m_messages);
  else
    m_messages.erase(m_messages.begin(), m_messages.begin() + static_cast<std::ptrdiff_t>(whole));
  return true;
}

// As soon as a message's header is there: nobody may fill our memory with what is refused in the end.
bool RecordCheck::check_message(uint8_t type, size_t length)
{
  if (!m_hello_seen && type != kClientHello)
    refuse(Alert::UnexpectedMessage, fmt::format("the handshake message {} before the hello", type));
  else if (type == kCertificate && length > size_t{m_certificate_limit} + 3) // three bytes of length before the list
    refuse(Alert::BadCertificate, certificate_limit_text(length - 3, m_certificate_limit));
  else if (length > limits::kMaxHandshakeMessage)
    refuse(Alert::DecodeError, fmt::format("a handshake message of {} bytes", length));
  return !m_refusal;
}

bool RecordCheck::finish_hello(std::span<const uint8_t> body)
{
  ClientHello hello = ClientHello::parse(body);
  if (hello.fault)
    refuse(Alert::IllegalParameter, hello.fault);
  else if (hello.offers_tls13 && hello.names_groups && !hello.names_group_of_ours)
    refuse(Alert::HandshakeFailure, "no key exchange group in common"); // RFC 8446 4.1.1
  if (m_hello_seen)
    m_early_data_over = true; // the second hello: whatever comes now was not sent before our answer
  else
    m_hello = std::move(hello);
  m_hello_seen = true;
  return !m_refusal;
}

std::string certificate_limit_text(size_t list_bytes, uint32_t limit)
{
  return fmt::format("the client's certificate list has {} bytes, more than the {} of MaxClientCertificateBytes", list_bytes, limit);
}

}
