// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/log_writer.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/process.h"
#include "kernel/platform/platform.h"
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace httpsys::platform {

struct LogWriter::Shared {
  int descriptor = -1;
  std::mutex mutex; // of the following
  std::condition_variable changed;
  std::deque<std::string> lines;
  uint64_t dropped = 0; // since the last line
  bool stops = false;
  bool has_ended = false;

  void run();
  // Where there is room again, before what follows.
  void note_dropped()
  {
    if (dropped > 0 && lines.size() < limits::kLogLinesWaiting)
      lines.push_back(fmt::format("{} lines are missing here: nobody took them in time", std::exchange(dropped, 0)));
  }
};

void LogWriter::Shared::run()
{
  name_thread("httpsys-log");
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return stops || !lines.empty(); });
    note_dropped();
    if (lines.empty())
      break;
    std::string text = format_log_line(lines.front());
    lines.pop_front();
    lock.unlock();
    write_whole(descriptor, text);
    lock.lock();
  }
  has_ended = true;
  changed.notify_all();
}

LogWriter::LogWriter(int descriptor) : m_shared(std::make_shared<Shared>())
{
  m_shared->descriptor = descriptor;
  std::thread([shared = m_shared] { shared->run(); }).detach();
}

LogWriter::~LogWriter()
{
  stop(0);
}

void LogWriter::write(std::string line)
{
  std::lock_guard lock(m_shared->mutex);
  if (m_shared->stops)
    return;
  m_shared->note_dropped();
  if (m_shared->lines.size() >= limits::kLogLinesWaiting) {
    m_shared->dropped++;
    return;
  }
  m_shared->lines.push_back(std::move(line));
  m_shared->changed.notify_all();
}

void LogWriter::stop(unsigned patience)
{
  std::unique_lock lock(m_shared->mutex);
  m_shared->stops = true;
  m_shared->changed.notify_all();
  m_shared->changed.wait_for(lock, std::chrono::milliseconds(patience), [this] { return m_shared->has_ended; });
}

}
