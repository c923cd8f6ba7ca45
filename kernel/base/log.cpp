// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log.h"
#include "kernel/base/text.h"
#include <atomic>
#include <cstdio>

namespace httpsys {

static std::atomic<void (*)(LogCause, std::string)> s_sink{nullptr};

std::string format_log_line(const std::string &line)
{
  return "httpsysd: " + visible(line) + '\n';
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
