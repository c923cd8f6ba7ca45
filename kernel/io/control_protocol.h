// SPDX-License-Identifier: GPL-3.0-or-later
// Messages of the control socket as pure functions of bytes: what a client sent, or nothing when it broke the protocol,
// and what the daemon answers. Any core; keeps nothing.
#pragma once
#include "kernel/io/dispatch.h"
#include "uapi/control.h"
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::io {

struct HelloRequest {
  uint32_t abi_major = 0, minor_min = 0, minor_max = 0;
  uint64_t want = 0, need = 0;
  std::string program{}; // printable
};
struct ChannelOpenRequest {
  uint32_t sq_entries = 0, cq_entries = 0, rx_bytes = 0, tx_bytes = 0; // 0: the default
};
// Its words and files are parsed later (parse_admin), and only for people who may.
struct AdminRequest {
  uint32_t word_count = 0, file_count = 0;
};

struct ControlRequest {
  uint16_t type = 0; // HSYS_CONTROL_HELLO, CHANNEL_OPEN, PING, ADMIN or STATS
  uint32_t sequence = 0;
  HelloRequest hello{};      // HELLO
  ChannelOpenRequest open{}; // CHANNEL_OPEN
  AdminRequest admin{};      // ADMIN
};

// One packet. Nothing: short, long, unknown, or with reserved members that are not 0; the session is to end.
std::optional<ControlRequest> parse_control(std::span<const uint8_t> packet);

struct AdminCommand {
  std::vector<std::string> words;
  std::vector<AdminFile> files;
};
// The words and files of an ADMIN packet that parse_control() accepted; nothing when they do not fill it exactly.
std::optional<AdminCommand> parse_admin(std::span<const uint8_t> packet, const AdminRequest &request);

// What HELLO leads to: Success with what both sides speak, RevisionMismatch, or NotSupported when a needed feature is
// not there.
struct Negotiated {
  NtStatus status;
  uint32_t minor;
  uint64_t features;
};
Negotiated negotiate(const HelloRequest &hello);

using ControlBytes = std::vector<uint8_t>;
struct WelcomeFacts {
  uint64_t epoch, session;
  uint32_t daemon_pid, cores;
};
ControlBytes build_welcome(uint32_t sequence, const Negotiated &negotiated, const WelcomeFacts &facts);
// Sizes are 0 unless status is Success.
ControlBytes build_channel_opened(uint32_t sequence, NtStatus status, uint64_t ktou_bytes, uint64_t utok_bytes);
ControlBytes build_pong(uint32_t sequence);
ControlBytes build_goodbye();
ControlBytes build_revoked(hsys_revocation reason);
ControlBytes build_stats_answer(uint32_t sequence, NtStatus status, hsys_control_stats stats);
// The text is cut after its last whole line when it does not fit; without a line that fits, after the last whole UTF-8
// character.
ControlBytes build_admin_answer(uint32_t sequence, uint32_t win32_code, uint32_t exit_code, std::string_view text);

}
