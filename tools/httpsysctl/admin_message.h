// SPDX-License-Identifier: GPL-3.0-or-later
// AdminMessage: an ADMIN message of the control socket (uapi/control.h), built in place from the command's words and
// the contents of the files that they name.
#pragma once
#include "tools/httpsysctl/command_line.h"
#include "tools/httpsysctl/secret_bytes.h"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::ctl {

class AdminMessage {
public:
  AdminMessage();

  // Words first, then files. False, with a failure: too many, too long, or a file that cannot be read. path is the
  // user's, "-" is not special.
  bool add_words(const std::vector<std::string> &words, Failure &failure);
  bool add_file(std::string_view tag, const std::string &path, Failure &failure);
  // The same of a file that has been read. False: too long.
  bool add_contents(std::string_view tag, std::string_view contents);
  // The whole message; nothing can be added afterwards.
  std::string_view finish(uint32_t sequence);

private:
  bool add_piece(std::string_view piece);

  SecretBytes m_bytes;
  uint32_t m_words = 0, m_files = 0;
};

}
