// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/log_writer.h"
#include "kernel/base/log_limiter.h"
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
  LogLimiter limiter;
  uint64_t dropped = 0; // since the last line
  bool stops = false;
  bool has_ended = false;

  void run();
  void wait(std::unique_lock<std::mutex> &lock);
  void note_left_out();
  // Where there is room again, before what follows.
  void note_dropped()
  {
    if (dropped > 0 && lines.size() < limits::kLogLinesWaiting)
      lines.push_back(fmt::format("{} lines are missing here: nobody took them in time", std::exchange(dropped, 0)));
  }
};

static uint64_t milliseconds_now()
{
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

// For a line, the end, or the time to tell what was left out.
void LogWriter::Shared::wait(std::unique_lock<std::mutex> &lock)
{
  while (!stops && lines.empty()) {
    auto due = limiter.note_due();
    uint64_t now = milliseconds_now();
    if (!due)
      changed.wait(lock);
    else if (*due > now)
      changed.wait_for(lock, std::chrono::milliseconds(*due - now));
    else
      return;
  }
}

// Where there is room, as other lines: a slow reader takes fewer than become due.
void LogWriter::Shared::note_left_out()
{
  while (lines.size() < limits::kLogLinesWaiting) {
    auto note = limiter.take_note(milliseconds_now(), stops);
    if (!note)
      break;
    lines.push_back(std::move(*note));
  }
}

void LogWriter::Shared::run()
{
  name_thread("httpsys-log");
  std::unique_lock lock(mutex);
  for (;;) {
    wait(lock);
    note_dropped();
    note_left_out();
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

void LogWriter::write(LogCause cause, std::string line)
{
  std::lock_guard lock(m_shared->mutex);
  if (m_shared->stops)
    return;
  bool tells_anyway = m_shared->limiter.note_due().has_value();
  if (!m_shared->limiter.admit(cause, milliseconds_now())) {
    if (!tells_anyway)
      m_shared->changed.notify_all(); // it has something to tell later; who floods costs no more system calls
    return;
  }
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
