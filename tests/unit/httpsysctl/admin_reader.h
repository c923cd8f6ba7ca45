// SPDX-License-Identifier: GPL-3.0-or-later
// Reads an ADMIN message by the words of uapi/control.h, apart from the code that is tested.
#pragma once
#include "kernel/cm/answer.h"
#include "uapi/control.h"
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace httpsys::ctl::test {

// nullopt when the pieces do not fill the message exactly.
inline std::optional<cm::AdminCommand> read_admin(std::string_view bytes)
{
  hsys_control_admin head;
  if (bytes.size() < sizeof head)
    return std::nullopt;
  memcpy(&head, bytes.data(), sizeof head);
  bytes.remove_prefix(sizeof head);
  bool good = true;
  auto piece = [&]() -> std::string {
    uint32_t length = 0;
    good = good && bytes.size() >= sizeof length;
    if (good)
      memcpy(&length, bytes.data(), sizeof length);
    good = good && length <= bytes.size() - sizeof length;
    if (!good)
      return {};
    std::string text(bytes.substr(sizeof length, length));
    bytes.remove_prefix(sizeof length + length);
    return text;
  };
  cm::AdminCommand command;
  for (uint32_t word = 0; word < head.word_count; word++)
    command.words.push_back(piece());
  for (uint32_t file = 0; file < head.file_count; file++) {
    std::string tag = piece();
    command.files[tag] = platform::SecretText(piece());
  }
  if (!good || !bytes.empty())
    return std::nullopt;
  return command;
}

}
