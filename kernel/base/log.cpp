// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log.h"
#include <atomic>
#include <cstdio>

namespace httpsys {

static std::atomic<void (*)(LogCause, std::string)> s_sink{nullptr};

std::string format_log_line(const std::string &line)
{
  std::string safe = "httpsysd: ";
  for (char c : line) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      safe += fmt::format("\\x{:02x}", byte);
    else
      safe += c;
  }
  return safe + '\n';
}

void log_line(LogCause cause, std::string line)
{
  if (auto sink = s_sink.load(std::memory_order_acquire)) {
    sink(cause, std::move(line));
    return;
  }
  std::string text = format_log_line(line);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void set_log_sink(void (*sink)(LogCause cause, std::string line))
{
  s_sink.store(sink, std::memory_order_release);
}

}
