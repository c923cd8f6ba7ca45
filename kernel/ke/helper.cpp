// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/helper.h"
#include "kernel/platform/platform.h"
#include "kernel/platform/rest.h"
#include <optional>
#include <utility>

namespace httpsys::ke {

Helper::Helper(const char *name, size_t threads, Rests rests) : m_name(name), m_thread_count(threads), m_rests(rests) {}

void Helper::start()
{
  for (size_t i = 0; i < m_thread_count; i++)
    m_threads.emplace_back([this] { run(); });
}

void Helper::stop_and_join()
{
  {
    std::lock_guard lock(m_mutex);
    m_stops = true;
  }
  m_changed.notify_all();
  for (auto &thread : m_threads)
    thread.join();
  m_threads.clear();
}

void Helper::add(uint32_t lane, Task job)
{
  {
    std::lock_guard lock(m_mutex);
    if (m_has_stopped)
      return; // job is destroyed outside the lock
    auto &jobs = m_lanes[lane];
    if (jobs.empty())
      m_turns.push_back(lane);
    jobs.push_back(std::move(job));
  }
  m_changed.notify_one();
}

void Helper::run()
{
  platform::name_thread(m_name);
  std::unique_lock lock(m_mutex);
  for (;;) {
    m_changed.wait(lock, [this] { return m_stops || !m_turns.empty(); });
    if (m_turns.empty())
      break;
    run_next(lock);
  }
  m_has_stopped = m_lanes.empty(); // else another thread runs a job
}

void Helper::run_next(std::unique_lock<std::mutex> &lock)
{
  const uint32_t lane = m_turns.front();
  m_turns.pop_front();
  auto &jobs = m_lanes[lane];
  Task job = std::move(jobs.front());
  lock.unlock();
  {
    std::optional<platform::RestingJob> resting;
    if (m_rests == Rests::Yes)
      resting.emplace();
    job.run();
  }
  lock.lock();
  jobs.pop_front();
  if (jobs.empty())
    m_lanes.erase(lane);
  else
    m_turns.push_back(lane); // behind all others, so that these have their turn
}

}
