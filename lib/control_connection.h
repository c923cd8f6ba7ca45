// SPDX-License-Identifier: MIT
// ControlConnection: the socket to httpsysd: who is behind it, HELLO, CHANNEL_OPEN, and the last words when the session ends.
// Opened by HttpInitialize on its caller's thread, with time limits; afterwards it only says by its end that the client lives.
#pragma once
#include "lib/channel_memory.h"
#include "lib/error_text.h"
#include "uapi/control.h"

namespace httpsys::lib {

class ControlConnection {
public:
  static constexpr int kConnectMilliseconds = 900;  // HttpInitialize without a daemon fails within a second
  static constexpr int kAnswerMilliseconds = 3000;  // WELCOME, of a daemon on a machine that is busy
  static constexpr int kChannelMilliseconds = 5000; // making and populating a channel's memory

  // Where the daemon listens: HTTPSYS_SOCKET, else /run/httpsys/httpsys.sock.
  static const char *socket_path();

  // Connects, checks the server and shakes hands. A Win32 code, with a sentence when it is not NO_ERROR:
  // ERROR_SERVICE_NOT_ACTIVE (1062) nobody answers, ERROR_ACCESS_DENIED (5), ERROR_REVISION_MISMATCH (1306),
  // ERROR_INVALID_PARAMETER (87) a path that is no socket's.
  uint32_t open(const char *path, ErrorText &why);
  // Asks for a channel with the daemon's default sizes.
  uint32_t open_channel(ChannelMemory &memory, ErrorText &why);

  void close() { m_socket.reset(); }
  // Tells the daemon that the session is over; a copy of the socket in a child does not matter. Any thread.
  void shut_down();

private:
  enum class Answer { Came, TooLate, ConnectionEnded, NoDescriptors, Malformed };
  uint32_t connect_to(const char *path, ErrorText &why);
  uint32_t check_server(const char *path, ErrorText &why);
  uint32_t say_hello(ErrorText &why);
  bool send_message(void *message, uint32_t bytes);
  // Sends the request and waits for its answer, with up to `wanted` descriptors.
  Answer ask(void *request, uint32_t request_bytes, void *message, uint32_t capacity, uint32_t &bytes, Descriptor *descriptors,
    uint32_t wanted, int milliseconds);
  Answer receive_message(void *message, uint32_t capacity, uint32_t &bytes, Descriptor *descriptors, uint32_t wanted, int milliseconds);

  Descriptor m_socket;
  hsys_control_welcome m_welcome{};
  uint32_t m_sequence = 0;
};

}
