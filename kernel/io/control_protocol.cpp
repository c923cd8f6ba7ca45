// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/control_protocol.h"
#include "kernel/base/checked_math.h"
#include "kernel/base/text.h"
#include <algorithm>
#include <cstring>

namespace httpsys::io {

// The message as a structure when the packet has exactly its size.
template <typename Message>
static std::optional<Message> exactly(std::span<const uint8_t> packet)
{
  Message message;
  if (packet.size() != sizeof message)
    return std::nullopt;
  std::memcpy(&message, packet.data(), sizeof message);
  return message;
}

static std::string printable_name(const char (&program)[32])
{
  std::string name;
  for (char c : program) {
    if (c == 0)
      break;
    name += c;
  }
  return harmless_name(std::move(name));
}

static bool parse_hello(std::span<const uint8_t> packet, HelloRequest &hello)
{
  auto message = exactly<hsys_control_hello>(packet);
  if (!message || message->reserved0 != 0 || message->minor_min > message->minor_max)
    return false;
  hello = {message->abi_major, message->minor_min, message->minor_max, message->want, message->need, printable_name(message->program)};
  return true;
}

static bool parse_channel_open(std::span<const uint8_t> packet, ChannelOpenRequest &open)
{
  auto message = exactly<hsys_control_channel_open>(packet);
  if (!message || message->reserved0 != 0)
    return false;
  open = {message->sq_entries, message->cq_entries, message->rx_bytes, message->tx_bytes};
  return true;
}

static bool parse_admin_head(std::span<const uint8_t> packet, AdminRequest &admin)
{
  hsys_control_admin message;
  if (packet.size() < sizeof message || packet.size() > HSYS_ADMIN_MESSAGE_MAX)
    return false;
  std::memcpy(&message, packet.data(), sizeof message);
  admin = {message.word_count, message.file_count};
  return message.word_count <= HSYS_ADMIN_WORDS_MAX && message.file_count <= HSYS_ADMIN_FILES_MAX;
}

static bool parse_body(std::span<const uint8_t> packet, ControlRequest &request)
{
  switch (request.type) {
  case HSYS_CONTROL_HELLO:
    return parse_hello(packet, request.hello);
  case HSYS_CONTROL_CHANNEL_OPEN:
    return parse_channel_open(packet, request.open);
  case HSYS_CONTROL_ADMIN:
    return parse_admin_head(packet, request.admin);
  case HSYS_CONTROL_PING:
  case HSYS_CONTROL_STATS:
    return packet.size() == sizeof(hsys_control);
  default:
    return false;
  }
}

std::optional<ControlRequest> parse_control(std::span<const uint8_t> packet)
{
  hsys_control head;
  if (packet.size() < sizeof head)
    return std::nullopt;
  std::memcpy(&head, packet.data(), sizeof head);
  if (head.magic != HSYS_CONTROL_MAGIC || head.size != packet.size() || head.reserved0 != 0 || head.reserved1 != 0 || head.status != 0)
    return std::nullopt;
  ControlRequest request;
  request.type = head.type;
  request.sequence = head.sequence;
  if (!parse_body(packet, request))
    return std::nullopt;
  return request;
}

// Takes pieces that carry their own length off the front of a packet.
class PieceReader {
public:
  explicit PieceReader(std::span<const uint8_t> bytes) : m_bytes(bytes) {}
  template <typename Text = std::string>
  std::optional<Text> take()
  {
    uint32_t length;
    if (m_bytes.size() < sizeof length)
      return std::nullopt;
    std::memcpy(&length, m_bytes.data(), sizeof length);
    m_bytes = m_bytes.subspan(sizeof length);
    if (length > m_bytes.size())
      return std::nullopt;
    Text piece(reinterpret_cast<const char *>(m_bytes.data()), length);
    m_bytes = m_bytes.subspan(length);
    return piece;
  }
  bool is_at_end() const { return m_bytes.empty(); }

private:
  std::span<const uint8_t> m_bytes;
};

std::optional<AdminCommand> parse_admin(std::span<const uint8_t> packet, const AdminRequest &request)
{
  if (packet.size() < sizeof(hsys_control_admin))
    return std::nullopt;
  PieceReader reader(packet.subspan(sizeof(hsys_control_admin)));
  AdminCommand command;
  for (uint32_t index = 0; index < request.word_count; index++) {
    auto word = reader.take();
    if (!word)
      return std::nullopt;
    command.words.push_back(std::move(*word));
  }
  for (uint32_t index = 0; index < request.file_count; index++) {
    auto tag = reader.take();
    auto contents = tag ? reader.take<platform::SecretText>() : std::nullopt;
    if (!contents)
      return std::nullopt;
    command.files.push_back({std::move(*tag), std::move(*contents)});
  }
  if (!reader.is_at_end())
    return std::nullopt;
  return command;
}

Negotiated negotiate(const HelloRequest &hello)
{
  if (hello.abi_major != HSYS_ABI_MAJOR || hello.minor_min > HSYS_ABI_MINOR)
    return {NtStatus::RevisionMismatch, HSYS_ABI_MINOR, HSYS_FEATURES};
  if ((hello.need & ~HSYS_FEATURES) != 0)
    return {NtStatus::NotSupported, HSYS_ABI_MINOR, HSYS_FEATURES};
  return {NtStatus::Success, std::min<uint32_t>(hello.minor_max, HSYS_ABI_MINOR), (hello.want | hello.need) & HSYS_FEATURES};
}

template <typename Message>
static Message message_of(hsys_control_type type, uint32_t sequence, NtStatus status)
{
  hsys_control head{};
  head.magic = HSYS_CONTROL_MAGIC;
  head.type = static_cast<uint16_t>(type);
  head.size = sizeof(Message);
  head.sequence = sequence;
  head.status = static_cast<uint32_t>(status);
  Message message{};
  std::memcpy(&message, &head, sizeof head); // every message begins with its head
  return message;
}

template <typename Message>
static ControlBytes bytes_of(const Message &message)
{
  ControlBytes bytes(sizeof message);
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes;
}

ControlBytes build_welcome(uint32_t sequence, const Negotiated &negotiated, const WelcomeFacts &facts)
{
  auto message = message_of<hsys_control_welcome>(HSYS_CONTROL_WELCOME, sequence, negotiated.status);
  message.abi_major = HSYS_ABI_MAJOR;
  message.abi_minor = negotiated.minor;
  message.features = negotiated.features;
  message.epoch = facts.epoch;
  message.session = facts.session;
  message.daemon_pid = facts.daemon_pid;
  message.cores = facts.cores;
  return bytes_of(message);
}

ControlBytes build_channel_opened(uint32_t sequence, NtStatus status, uint64_t ktou_bytes, uint64_t utok_bytes)
{
  auto message = message_of<hsys_control_channel_opened>(HSYS_CONTROL_CHANNEL_OPENED, sequence, status);
  message.ktou_bytes = ktou_bytes;
  message.utok_bytes = utok_bytes;
  return bytes_of(message);
}

ControlBytes build_pong(uint32_t sequence)
{
  return bytes_of(message_of<hsys_control>(HSYS_CONTROL_PONG, sequence, NtStatus::Success));
}

ControlBytes build_goodbye()
{
  return bytes_of(message_of<hsys_control>(HSYS_CONTROL_GOODBYE, 0, NtStatus::Success));
}

ControlBytes build_revoked(hsys_revocation reason)
{
  auto message = message_of<hsys_control_revoked>(HSYS_CONTROL_REVOKED, 0, NtStatus::Success);
  message.reason = reason;
  return bytes_of(message);
}

ControlBytes build_stats_answer(uint32_t sequence, NtStatus status, hsys_control_stats stats)
{
  stats.head = message_of<hsys_control_stats>(HSYS_CONTROL_STATS_ANSWER, sequence, status).head;
  return bytes_of(stats);
}

static std::string_view whole_lines(std::string_view text, size_t room)
{
  if (text.size() <= room)
    return text;
  size_t newline = text.rfind('\n', room - 1);
  if (newline != text.npos)
    return text.substr(0, newline + 1);
  size_t end = room;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    end--;
  return text.substr(0, end);
}

ControlBytes build_admin_answer(uint32_t sequence, uint32_t win32_code, uint32_t exit_code, std::string_view text)
{
  auto message = message_of<hsys_control_admin_answer>(HSYS_CONTROL_ADMIN_ANSWER, sequence, NtStatus::Success);
  text = whole_lines(text, HSYS_ADMIN_MESSAGE_MAX - sizeof message);
  message.win32_code = win32_code;
  message.exit_code = exit_code;
  message.head.size = static_cast<uint32_t>(sizeof message + text.size());
  ControlBytes bytes(message.head.size);
  std::memcpy(bytes.data(), &message, sizeof message);
  std::memcpy(bytes.data() + sizeof message, text.data(), text.size());
  return bytes;
}

}
