// SPDX-License-Identifier: GPL-3.0-or-later
// One line per event on stderr. Core threads must not block on a slow reader, so main/ installs a sink that hands lines
// to a thread of their own. Any thread.
#pragma once
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <string>

namespace httpsys {

// What a line is about. Clients can cause any number: LogLimiter bounds each kind on its own, and each user's processes.
enum class LogKind : uint8_t {
  Daemon,      // the daemon and who administers it: never left out
  Tls,         // handshakes and TLS connections that failed
  Certificate, // client certificates that are not to be had, or do not verify
  Request,     // requests that were refused
  Connection,  // connections that were closed or refused for another reason
  Process,     // processes on the control socket
  kCount
};

// Who causes a line: whoever is on the network, or a user's process.
struct LogCause {
  LogKind kind;
  std::optional<uint32_t> uid;                // of LogKind::Process, if it is known
  LogCause(LogKind of_kind) : kind(of_kind) {} // from a kind as it is: most have no user
  static LogCause process(uint32_t uid)
  {
    LogCause cause(LogKind::Process);
    cause.uid = uid;
    return cause;
  }
};

// The line, without time and newline. Text from clients and peers that is in it goes through quoted() of base/text.h, so that the reader
// sees where it begins and ends; whatever has not is written as visible() shows it.
void log_line(LogCause cause, std::string line);
// nullptr restores the default: written at once.
void set_log_sink(void (*sink)(LogCause cause, std::string line));
// What a sink writes: "httpsysd: LINE\n", with nothing in it that could be taken for another line or act on a terminal.
std::string format_log_line(const std::string &line);

template <typename... Arguments>
void log(fmt::format_string<Arguments...> format, Arguments &&...arguments)
{
  log_line(LogKind::Daemon, fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
void log(LogCause cause, fmt::format_string<Arguments...> format, Arguments &&...arguments)
{
  log_line(cause, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}
