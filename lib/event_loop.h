// SPDX-License-Identifier: MIT
// EventLoop: the descriptor of httpsys_completion_fd(): an epoll of the session's bell and of an eventfd that says that another thread
// has taken completions in, so that a loop hears of all of them. Made when it is first asked for. One for the process, never destroyed.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>

namespace httpsys::lib {

class EventLoop {
public:
  static EventLoop &instance() { return s_instance; }

  // httpsys_completion_fd(): -1 without a source of completions, or without descriptors.
  int descriptor();
  // httpsys_dispatch().
  uint32_t dispatch();
  // The reaper has another source, or none, or its source has died: watches the bell of the one that there is now.
  void source_changed();
  // Completions were taken in, or the session died. Any thread, any lock.
  void note_completions();

  void before_fork() { m_mutex.lock(); }
  void after_fork(bool is_child);

private:
  constexpr EventLoop() = default;
  bool watch_source();

  std::mutex m_mutex; // guards m_epoll and m_bell
  int m_epoll = -1;
  int m_bell = -1;
  std::atomic<int> m_event{-1};
  std::atomic<bool> m_is_noted{false};
  static EventLoop s_instance;
};

}
