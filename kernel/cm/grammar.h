// SPDX-License-Identifier: GPL-3.0-or-later
// The words of httpsysctl (netsh http's): which commands there are, which tags each takes, and what to say to others.
// Pure functions of the words. The daemon reads every command with it; httpsysctl does so before it connects, so that a
// slip is named without a daemon, and to learn which tags name files.
#pragma once
#include "kernel/cm/answer.h"
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace httpsys::cm {

enum class CommandId {
  ImportCertificate,
  ImportAuthorities,
  ImportRevocations,
  ShowCertificates,
  ShowAuthorities,
  ShowRevocations,
  ShowBindings,
  ShowStatistics,
  DeleteCertificate,
  DeleteAuthority,
  DeleteRevocations,
  AddBinding,
  UpdateBinding,
  DeleteBinding,
  Unsupported, // netsh knows it, this daemon does not; never leaves the parser
};

struct Command {
  CommandId id = CommandId::Unsupported;
  std::map<std::string, std::string, std::less<>> values; // by lower-case tag without '='; none is empty

  // "" when the tag was not given.
  std::string_view value(std::string_view tag) const;
  bool has(std::string_view tag) const { return values.find(tag) != values.end(); }
};

// Words in any order, letter case of command and tags aside, no abbreviations, no tag twice. nullopt: `answer` says
// why.
std::optional<Command> parse_command(std::span<const std::string> words, AdminAnswer &answer);

// Tags of the command whose values are names of files that httpsysctl reads and sends along.
std::span<const std::string_view> file_tags(CommandId id);

}
