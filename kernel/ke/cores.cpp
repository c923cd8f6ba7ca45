// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/core.h"
#include "kernel/ke/helper.h"
#include "kernel/limits.h"
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <thread>

namespace httpsys::ke {

struct Cores::Impl {
  enum class Phase { Starting, Running, Failed };

  std::vector<std::unique_ptr<Core>> cores;
  std::vector<std::thread> threads;

  // Guards what follows: how the cores' threads start and end together.
  std::mutex phase_mutex;
  std::condition_variable phase_changed;
  Phase phase = Phase::Starting;
  uint32_t ready = 0;   // engines made, or not
  uint32_t drained = 0; // cores that have run their last task
  NtStatus failure = NtStatus::Success;

  Helper own{"httpsys-helper", 1, Helper::Rests::No};
  Helper memory{"httpsys-memory", limits::kMemoryHelpers, Helper::Rests::Yes};
  bool stepped = false;

  void core_main(CoreId id, uint32_t count, Result<std::unique_ptr<platform::IoEngine>> (*make_engine)(CoreId));
  void connect();
  void run_on(Helper &helper, uint32_t lane, Task job);
};

static Cores *s_instance;

Cores &Cores::instance()
{
  VERIFY(s_instance);
  return *s_instance;
}

Cores::Cores(uint32_t count) : m_count(count), m_impl(std::make_unique<Impl>())
{
  VERIFY(count > 0 && !s_instance);
  s_instance = this;
  m_impl->cores.resize(count);
}

Cores::~Cores()
{
  stop_and_join();
  // One core's last tasks may have names for others, so all are closed before any is gone.
  for (auto &core : m_impl->cores) {
    if (core)
      core->close();
  }
  m_impl->cores.clear();
  s_instance = nullptr;
}

Core &Cores::core(CoreId id)
{
  VERIFY(id < m_count && m_impl->cores[id]);
  return *m_impl->cores[id];
}

void Cores::Impl::connect()
{
  std::vector<Core *> peers;
  for (auto &core : cores)
    peers.push_back(core.get());
  for (auto &core : cores)
    core->m_peers = peers;
}

void Cores::Impl::core_main(CoreId id, uint32_t count, Result<std::unique_ptr<platform::IoEngine>> (*make_engine)(CoreId))
{
  platform::name_thread(fmt::format("httpsys-core-{}", id));
  auto engine = make_engine(id);
  std::unique_ptr<Core> core;
  if (engine)
    core = std::make_unique<Core>(id, count, engine.release_value());
  {
    std::unique_lock lock(phase_mutex);
    if (core)
      cores[id] = std::move(core);
    else
      failure = engine.error();
    ready++;
    phase_changed.notify_all();
    phase_changed.wait(lock, [this] { return phase != Phase::Starting; });
    if (phase == Phase::Failed) {
      core = std::move(cores[id]); // its engine ends on the thread that made it
      return;
    }
  }
  cores[id]->run();
  {
    // As long as one core runs it may send to the others and wake them.
    std::unique_lock lock(phase_mutex);
    drained++;
    phase_changed.notify_all();
    phase_changed.wait(lock, [this, count] { return drained == count; });
  }
  cores[id]->close();
}

Result<void> Cores::start(Result<std::unique_ptr<platform::IoEngine>> (*make_engine)(CoreId core))
{
  VERIFY(m_impl->threads.empty() && !m_impl->stepped);
  for (CoreId id = 0; id < m_count; id++)
    m_impl->threads.emplace_back([this, id, make_engine] { m_impl->core_main(id, m_count, make_engine); });
  bool failed = false;
  {
    std::unique_lock lock(m_impl->phase_mutex);
    m_impl->phase_changed.wait(lock, [this] { return m_impl->ready == m_count; });
    failed = m_impl->failure != NtStatus::Success;
    if (!failed)
      m_impl->connect();
    m_impl->phase = failed ? Impl::Phase::Failed : Impl::Phase::Running;
    m_impl->phase_changed.notify_all();
  }
  if (failed) {
    for (auto &thread : m_impl->threads)
      thread.join();
    return m_impl->failure;
  }
  m_impl->own.start();
  m_impl->memory.start();
  return {};
}

void Cores::stop_and_join()
{
  if (!m_impl->own.is_started())
    return; // not started, failed or stopped
  VERIFY(!Core::current_or_null());
  for (auto &core : m_impl->cores)
    core->request_stop();
  for (auto &thread : m_impl->threads)
    thread.join();
  // After the cores: what they gave it last may be a state file to be written.
  m_impl->own.stop_and_join();
  m_impl->memory.stop_and_join();
}

void Cores::start_stepped(std::vector<std::unique_ptr<platform::IoEngine>> engines)
{
  VERIFY(engines.size() == m_count && m_impl->threads.empty());
  m_impl->stepped = true;
  for (CoreId id = 0; id < m_count; id++)
    m_impl->cores[id] = std::make_unique<Core>(id, m_count, std::move(engines[id]));
  m_impl->connect();
}

void Cores::run_on(CoreId id, Task task)
{
  Core *current = Core::current_or_null();
  if (current && current->id() == id)
    task.run();
  else
    post(id, std::move(task));
}

void Cores::post(CoreId id, Task task)
{
  Core *current = Core::current_or_null();
  if (current && !current->m_closing)
    core(id).deliver(current->id(), std::move(task));
  else
    core(id).deliver_from_outside(std::move(task));
}

void Cores::Impl::run_on(Helper &helper, uint32_t lane, Task job)
{
  if (!stepped)
    return helper.add(lane, std::move(job));
  Core::Scope nowhere(nullptr); // as on the helper: its results are messages
  job.run();
}

void Cores::run_on_helper(Task job)
{
  m_impl->run_on(m_impl->own, 0, std::move(job));
}

void Cores::run_on_memory_helper(uint32_t uid, Task job)
{
  m_impl->run_on(m_impl->memory, uid, std::move(job));
}

}
