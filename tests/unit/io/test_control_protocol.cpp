// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/control_protocol.h"
#include <cstring>
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::io;

template <typename Message>
static Message message_of(uint32_t type)
{
  hsys_control head{HSYS_CONTROL_MAGIC, static_cast<uint16_t>(type), 0, sizeof(Message), 77, 0, 0};
  Message message{};
  std::memcpy(&message, &head, sizeof head);
  return message;
}

template <typename Message>
static ControlBytes bytes_of(const Message &message)
{
  ControlBytes bytes(sizeof message);
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes;
}

template <typename Message>
static Message message_in(const ControlBytes &bytes)
{
  Message message;
  REQUIRE(bytes.size() >= sizeof message);
  std::memcpy(&message, bytes.data(), sizeof message);
  return message;
}

static hsys_control_hello hello_message()
{
  auto message = message_of<hsys_control_hello>(HSYS_CONTROL_HELLO);
  message.abi_major = HSYS_ABI_MAJOR;
  return message;
}

TEST_CASE("HELLO")
{
  auto message = hello_message();
  message.minor_max = 3;
  message.want = 5;
  std::strcpy(message.program, "shopd");
  auto request = parse_control(bytes_of(message));
  REQUIRE(request);
  CHECK(request->sequence == 77);
  CHECK(request->type == HSYS_CONTROL_HELLO);
  auto &hello = request->hello;
  CHECK(hello.program == "shopd");
  CHECK(hello.minor_max == 3);
  CHECK(hello.want == 5);
}

TEST_CASE("a program's name is made printable and may lack its NUL")
{
  auto message = hello_message();
  std::memset(message.program, 'x', sizeof message.program);
  message.program[1] = '\n';
  message.program[2] = '\x80';
  message.program[3] = ')';
  auto request = parse_control(bytes_of(message));
  REQUIRE(request);
  CHECK(request->hello.program == "x???" + std::string(28, 'x'));
}

TEST_CASE("CHANNEL_OPEN, PING and STATS")
{
  auto open = message_of<hsys_control_channel_open>(HSYS_CONTROL_CHANNEL_OPEN);
  open.cq_entries = 512;
  auto request = parse_control(bytes_of(open));
  REQUIRE(request);
  CHECK(request->open.cq_entries == 512);
  CHECK(parse_control(bytes_of(message_of<hsys_control>(HSYS_CONTROL_PING)))->type == HSYS_CONTROL_PING);
  CHECK(parse_control(bytes_of(message_of<hsys_control>(HSYS_CONTROL_STATS)))->type == HSYS_CONTROL_STATS);
}

TEST_CASE("every short, long or unknown packet breaks the protocol")
{
  const ControlBytes messages[] = {bytes_of(hello_message()), bytes_of(message_of<hsys_control_channel_open>(HSYS_CONTROL_CHANNEL_OPEN)),
                                   bytes_of(message_of<hsys_control>(HSYS_CONTROL_PING)),
                                   bytes_of(message_of<hsys_control>(HSYS_CONTROL_STATS))};
  for (const ControlBytes &whole : messages) {
    REQUIRE(parse_control(whole));
    for (size_t size = 0; size < whole.size() + 64; size++) {
      if (size == whole.size())
        continue;
      ControlBytes changed = whole;
      changed.resize(size);
      CAPTURE(size);
      CHECK_FALSE(parse_control(changed));
      // With a head that tells the true size, too.
      if (size >= sizeof(hsys_control)) {
        auto told = static_cast<uint32_t>(size);
        std::memcpy(changed.data() + offsetof(hsys_control, size), &told, sizeof told);
        CHECK_FALSE(parse_control(changed));
      }
    }
  }
  for (uint32_t type = 0; type <= UINT16_MAX; type++) {
    auto message = message_of<hsys_control>(type);
    bool is_known = type == HSYS_CONTROL_PING || type == HSYS_CONTROL_STATS;
    if (parse_control(bytes_of(message)).has_value() != is_known)
      FAIL("type ", type);
  }
}

TEST_CASE("heads that break the protocol")
{
  auto ping = message_of<hsys_control>(HSYS_CONTROL_PING);
  auto broken = [&](auto change) {
    auto message = ping;
    change(message);
    return !parse_control(bytes_of(message));
  };
  CHECK(broken([](auto &message) { message.magic++; }));
  CHECK(broken([](auto &message) { message.reserved0 = 1; }));
  CHECK(broken([](auto &message) { message.reserved1 = 1; }));
  CHECK(broken([](auto &message) { message.status = 1; }));
  CHECK(broken([](auto &message) { message.size++; }));
  auto hello = hello_message();
  hello.reserved0 = 1;
  CHECK_FALSE(parse_control(bytes_of(hello)));
  hello = hello_message();
  hello.minor_min = 1;
  CHECK_FALSE(parse_control(bytes_of(hello)));
  auto open = message_of<hsys_control_channel_open>(HSYS_CONTROL_CHANNEL_OPEN);
  open.reserved0 = 1;
  CHECK_FALSE(parse_control(bytes_of(open)));
}

TEST_CASE("what HELLO leads to")
{
  struct Case {
    HelloRequest hello;
    NtStatus status;
  };
  const Case cases[] = {
    {{HSYS_ABI_MAJOR, 0, 0, 0, 0, ""}, NtStatus::Success},
    {{HSYS_ABI_MAJOR, 0, 9, UINT64_MAX, 0, ""}, NtStatus::Success},
    {{HSYS_ABI_MAJOR, 1, 9, 0, 0, ""}, NtStatus::RevisionMismatch},
    {{HSYS_ABI_MAJOR + 1, 0, 0, 0, 0, ""}, NtStatus::RevisionMismatch},
    {{0, 0, 0, 0, 0, ""}, NtStatus::RevisionMismatch},
    {{HSYS_ABI_MAJOR, 0, 0, 0, uint64_t{1} << 63, ""}, NtStatus::NotSupported},
  };
  for (const Case &row : cases) {
    CAPTURE(row.hello.abi_major);
    CAPTURE(row.hello.minor_min);
    auto negotiated = negotiate(row.hello);
    CHECK(negotiated.status == row.status);
    CHECK(negotiated.minor == HSYS_ABI_MINOR);
    CHECK(negotiated.features == HSYS_FEATURES);
  }
}

static void append(ControlBytes &bytes, std::string_view piece)
{
  auto length = static_cast<uint32_t>(piece.size());
  auto *first = reinterpret_cast<const uint8_t *>(&length);
  bytes.insert(bytes.end(), first, first + sizeof length);
  bytes.insert(bytes.end(), piece.begin(), piece.end());
}

static ControlBytes admin_packet(uint32_t word_count, uint32_t file_count, std::vector<std::string_view> pieces)
{
  ControlBytes bytes(sizeof(hsys_control_admin));
  for (auto piece : pieces)
    append(bytes, piece);
  auto message = message_of<hsys_control_admin>(HSYS_CONTROL_ADMIN);
  message.head.size = static_cast<uint32_t>(bytes.size());
  message.word_count = word_count;
  message.file_count = file_count;
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes;
}

static std::optional<AdminCommand> admin_of(const ControlBytes &packet)
{
  auto request = parse_control(packet);
  if (!request)
    return std::nullopt;
  return parse_admin(packet, request->admin);
}

TEST_CASE("ADMIN carries words and files")
{
  auto command = admin_of(admin_packet(3, 1, {"import", "", "cert", "certfile", std::string_view("a\0b", 3)}));
  REQUIRE(command);
  CHECK(command->words == std::vector<std::string>{"import", "", "cert"});
  REQUIRE(command->files.size() == 1);
  CHECK(command->files[0].tag == "certfile");
  CHECK(std::string_view(command->files[0].contents) == std::string_view("a\0b", 3));
  CHECK(admin_of(admin_packet(0, 0, {})));
}

TEST_CASE("ADMIN messages that break the protocol")
{
  CHECK_FALSE(admin_of(admin_packet(1, 0, {})));
  CHECK_FALSE(admin_of(admin_packet(1, 0, {"a", "b"})));
  CHECK_FALSE(admin_of(admin_packet(0, 1, {"certfile"})));
  CHECK_FALSE(admin_of(admin_packet(HSYS_ADMIN_WORDS_MAX + 1, 0, {})));
  CHECK_FALSE(admin_of(admin_packet(0, HSYS_ADMIN_FILES_MAX + 1, {})));
  CHECK_FALSE(admin_of(admin_packet(UINT32_MAX, UINT32_MAX, {})));
  std::string big(HSYS_ADMIN_MESSAGE_MAX, 'x');
  CHECK_FALSE(admin_of(admin_packet(1, 0, {big})));
  auto packet = admin_packet(1, 0, {"word"});
  packet[sizeof(hsys_control_admin)]++; // one byte more than there is
  CHECK_FALSE(admin_of(packet));
  packet[sizeof(hsys_control_admin) + 3] = 0xff; // 4 GiB
  CHECK_FALSE(admin_of(packet));
}

TEST_CASE("answers")
{
  auto welcome = message_in<hsys_control_welcome>(build_welcome(9, {NtStatus::Success, 0, 0}, {11, 12, 13, 14}));
  CHECK(welcome.head.magic == HSYS_CONTROL_MAGIC);
  CHECK(welcome.head.type == HSYS_CONTROL_WELCOME);
  CHECK(welcome.head.size == sizeof welcome);
  CHECK(welcome.head.sequence == 9);
  CHECK(welcome.epoch == 11);
  CHECK(welcome.session == 12);
  CHECK(welcome.daemon_pid == 13);
  CHECK(welcome.cores == 14);
  auto opened = message_in<hsys_control_channel_opened>(build_channel_opened(3, NtStatus::NotSupported, 0, 0));
  CHECK(opened.head.status == HSYS_STATUS_NOT_SUPPORTED);
  auto revoked = message_in<hsys_control_revoked>(build_revoked(HSYS_REVOKED_BLOCK));
  CHECK(revoked.reason == HSYS_REVOKED_BLOCK);
  CHECK(build_pong(1).size() == sizeof(hsys_control));
  CHECK(message_in<hsys_control>(build_goodbye()).type == HSYS_CONTROL_GOODBYE);
  hsys_control_stats stats{};
  stats.sessions = 5;
  auto answer = message_in<hsys_control_stats>(build_stats_answer(4, NtStatus::Success, stats));
  CHECK(answer.sessions == 5);
  CHECK(answer.head.sequence == 4);
}

TEST_CASE("an administration answer ends at its last whole line")
{
  static constexpr size_t room = HSYS_ADMIN_MESSAGE_MAX - sizeof(hsys_control_admin_answer);
  auto text_of = [](std::string_view text) {
    auto bytes = build_admin_answer(8, 5, 4, text);
    auto head = message_in<hsys_control_admin_answer>(bytes);
    CHECK(head.head.size == bytes.size());
    CHECK(head.win32_code == 5);
    CHECK(head.exit_code == 4);
    return std::string(bytes.begin() + sizeof head, bytes.end());
  };
  CHECK(text_of("") == "");
  CHECK(text_of("one\ntwo") == "one\ntwo");
  std::string line = std::string(99, 'x') + '\n';
  std::string lines;
  while (lines.size() <= room)
    lines += line;
  CHECK(text_of(lines) == lines.substr(0, room / 100 * 100));
  CHECK(text_of(std::string(room, 'x')) == std::string(room, 'x'));
  CHECK(text_of(std::string(room - 1, 'x') + "\xc3\xa4") == std::string(room - 1, 'x'));
  CHECK(text_of(std::string(room - 1, 'x') + "\n\n") == std::string(room - 1, 'x') + "\n");
}
