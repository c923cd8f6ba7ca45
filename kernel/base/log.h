// SPDX-License-Identifier: GPL-3.0-or-later
// One line per event on stderr. Core threads must not block on a slow reader, so main/ installs a sink that hands lines
// to a thread of their own. Any thread.
#pragma once
#include <fmt/format.h>
#include <string>

namespace httpsys {

// The line, without time and newline. Control characters in it are shown as \xNN: text from clients and peers may be in it.
void log_line(std::string line);
// nullptr restores the default: written at once.
void set_log_sink(void (*sink)(std::string line));
// What a sink writes: "httpsysd: LINE\n", sanitised.
std::string format_log_line(const std::string &line);

template <typename... Arguments>
void log(fmt::format_string<Arguments...> format, Arguments &&...arguments)
{
  log_line(fmt::format(format, std::forward<Arguments>(arguments)...));
}

}
