// SPDX-License-Identifier: GPL-3.0-or-later
// One line per event on stderr. Core threads must not block on a slow reader, so main/ installs a sink that hands lines
// to a thread of their own. Any thread.
#pragma once
#include <cstdint>
#include <fmt/format.h>
#include <string>

namespace httpsys {

// Who causes a line. Clients can cause any number: LogLimiter bounds each kind on its own.
enum class LogKind : uint8_t {
  Daemon,      // the daemon and who administers it: never left out
  Tls,         // handshakes and TLS connections that failed
  Certificate, // client certificates that are not to be had, or do not verify
  Request,     // requests that were refused
  Connection,  // connections that were closed or refused for another reason
  Process,     // processes on the control socket
  kCount
};

// The line, without time and newline. Control characters in it are shown as \xNN: text from clients and peers may be in it.
void log_line(LogKind kind, std::string line);
// nullptr restores the default: written at once.
void set_log_sink(void (*sink)(LogKind kind, std::string line));
// What a sink writes: "httpsysd: LINE\n", sanitised.
std::string format_log_line(const std::string &line);

template <typename... Arguments>
void log(fmt::format_string<Arguments...> format, Arguments &&...arguments)
{
  log_line(LogKind::Daemon, fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
void log(LogKind kind, fmt::format_string<Arguments...> format, Arguments &&...arguments)
{
  log_line(kind, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}
