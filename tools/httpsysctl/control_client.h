// SPDX-License-Identifier: GPL-3.0-or-later
// ControlClient: httpsysctl's end of the control socket. It connects, makes sure that it talks to httpsysd (a private
// key goes over this socket), says HELLO, and asks one question after the other. Every wait has an end.
#pragma once
#include "tools/httpsysctl/command_line.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::ctl {

struct Answer {
  uint32_t win32_code = 0;
  int exit_code = kExitDone;
  std::string text;
};

class ControlClient {
public:
  // How long it waits for the connection and the answer to HELLO, and for the answer to a question: other commands may
  // be before ours.
  explicit ControlClient(int hello_milliseconds = 5000, int answer_milliseconds = 120000)
    : m_hello_milliseconds(hello_milliseconds), m_answer_milliseconds(answer_milliseconds)
  {
  }
  ControlClient(const ControlClient &) = delete;
  ControlClient &operator=(const ControlClient &) = delete;
  ~ControlClient();

  static constexpr uint32_t kAdminSequence = 2; // HELLO has 1

  // False, with a failure: nobody there (3), not permitted (4), another version (1).
  bool open(const std::string &path, Failure &failure);
  // message: a finished AdminMessage with kAdminSequence.
  std::optional<Answer> ask(std::string_view message, Failure &failure);

private:
  bool connect(const std::string &path, Failure &failure);
  bool check_server(const std::string &path, Failure &failure);
  bool say_hello(Failure &failure);
  bool send(std::string_view message, Failure &failure);
  // The answer with this type and sequence, of at least least bytes; other messages are skipped.
  bool receive(uint16_t type, uint32_t sequence, size_t least, int milliseconds, std::vector<char> &message,
               Failure &failure);

  int m_hello_milliseconds, m_answer_milliseconds;
  int m_socket = -1;
  std::string m_path;
};

}
