// SPDX-License-Identifier: GPL-3.0-or-later
// Helper: threads for jobs that take long. Each lane's jobs run one after the other, and the lanes in turn: whoever gives it much to do
// makes others wait for one job of his at most, and who makes one last holds up only himself while there is another thread. Any thread.
#pragma once
#include "kernel/ke/task.h"
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace httpsys::ke {

class Helper {
public:
  enum class Rests { No, Yes }; // platform/rest.h

  Helper(const char *name, size_t threads, Rests rests);
  void start();
  bool is_started() const { return !m_threads.empty(); }
  // Runs all its jobs first. What is added afterwards is destroyed.
  void stop_and_join();
  void add(uint32_t lane, Task job);

private:
  void run();
  void run_next(std::unique_lock<std::mutex> &lock);
  const char *m_name; // of the threads
  size_t m_thread_count;
  Rests m_rests;
  std::mutex m_mutex; // of the following, except the last
  std::condition_variable m_changed;
  std::unordered_map<uint32_t, std::deque<Task>> m_lanes; // none of them empty; the first one stays until it has run
  std::deque<uint32_t> m_turns;                           // the lanes of which no job runs
  bool m_stops = false;
  bool m_has_stopped = false;
  std::vector<std::thread> m_threads;
};

}
