// SPDX-License-Identifier: GPL-3.0-or-later
// Core: one thread, one IoEngine, one timer wheel, one inbox per sending core and a mailbox for all other threads. All
// of an object's work happens on its owner core; others send Tasks. The loop: completions -> inboxes -> pollers (hot
// channels) -> timers -> flush -> sleep. Cores live as long as the daemon.
#pragma once
#include "kernel/base/intrusive_list.h"
#include "kernel/ke/task.h"
#include "kernel/ke/timer_wheel.h"
#include "kernel/platform/platform.h"
#include <atomic>
#include <memory>
#include <vector>

namespace httpsys::ke {

using CoreId = uint32_t;

// Called in every turn of its core's loop; returns whether it did work (then the loop does not sleep). before_sleep()
// arms its wake-up and returns false when something came meanwhile.
class Poller : public ListLink<Poller> {
public:
  virtual bool poll() = 0;
  virtual bool before_sleep() = 0;

protected:
  Poller() = default;
  ~Poller() = default;
};

// Called once at the end of the loop turn in which it was requested: sends collected answers, rings bells. A flush may
// be requested again from inside.
class Flushable : public ListLink<Flushable, class FlushTag> {
public:
  virtual void flush() = 0;

protected:
  Flushable() = default;
  ~Flushable() = default;
};

class Inbox;
class Mailbox;

class Core {
public:
  // senders: cores that may send tasks, this one included.
  Core(CoreId id, uint32_t senders, std::unique_ptr<platform::IoEngine> engine);
  // Tasks that did not run are destroyed; pollers and flushes that are still registered are forgotten.
  ~Core();

  CoreId id() const { return m_id; }
  platform::IoEngine &io() { return *m_engine; }
  TimerWheel &timers() { return m_timers; }
  // Those of connections, of which the network can make many due at once: they hold up each other and not the others.
  TimerWheel &network_timers() { return m_network_timers; }
  // The loop's time, read once a turn, after the wait.
  platform::Milliseconds now() const;

  void add_poller(Poller &poller);
  void remove_poller(Poller &poller);
  void request_flush(Flushable &flushable); // no effect when it is requested already
  void cancel_flush(Flushable &flushable);

  // One turn of the loop; blocks in the engine when there is nothing to do and may_sleep. Returns whether it did work.
  bool turn(bool may_sleep);
  // turn() until request_stop(), then until there is nothing left to do: tasks that have been sent, operations that they have cancelled.
  // Not for ever: kStopRounds, kStopMilliseconds.
  void run();
  void request_stop(); // from any thread

  // The core whose loop runs on this thread.
  static Core &current();
  static Core *current_or_null();

  // Makes the core the current one of this thread for as long as it lives. run() and turn() do so themselves; tests that step cores may
  // need it around calls of their own.
  class Scope {
  public:
    explicit Scope(Core &core);
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;
    ~Scope();

  private:
    friend class Cores;
    explicit Scope(std::nullptr_t); // no core is the current one
    Core *m_before;
  };

private:
  friend class Cores;
  void deliver(CoreId sender, Task task);  // on the sender's thread
  void deliver_from_outside(Task task);    // on a thread that is no core
  void close();                            // on the core's own thread, when no other core runs any more
  uint32_t run_engine(platform::Milliseconds deadline);
  uint32_t sleep();
  bool prepare_sleep();
  bool has_mail() const;
  bool drain_inboxes();
  bool flush_spills(bool before_sleep);
  bool run_pollers();
  bool run_timers();
  bool run_flushes();

  CoreId m_id;
  std::unique_ptr<platform::IoEngine> m_engine;
  mutable platform::Milliseconds m_now;
  mutable bool m_now_is_old = false;
  bool m_may_have_spill = false; // in the inbox of another core
  bool m_pollers_worked = true;  // in the last turn
  bool m_closing = false;
  TimerWheel m_timers, m_network_timers;
  std::vector<std::unique_ptr<Inbox>> m_inboxes; // by sender
  std::unique_ptr<Mailbox> m_mailbox;
  std::vector<Core *> m_peers; // by id
  IntrusiveList<Poller> m_pollers;
  Poller *m_next_poller = nullptr; // of the walk that is going on
  IntrusiveList<Flushable, FlushTag> m_flushes;
  std::atomic<bool> m_sleeping{false};
  std::atomic<bool> m_stop{false};
};

// All cores of the process and the helpers for slow jobs (helper.h).
class Cores {
public:
  explicit Cores(uint32_t count);
  ~Cores();
  uint32_t count() const { return m_count; }
  // Starts the threads of all cores and the helpers. make_engine runs once per core, on its thread (io_uring belongs to
  // its maker's); a failure is returned after all threads have ended.
  Result<void> start(Result<std::unique_ptr<platform::IoEngine>> (*make_engine)(CoreId core));
  // On the thread that started them. Every core runs the tasks that it has been sent, then they end together; the
  // helpers run all their jobs. Tasks sent after that are destroyed.
  void stop_and_join();
  // For tests and the simulator: cores that the caller steps with turn(), no threads; helper jobs run at once on the caller.
  void start_stepped(std::vector<std::unique_ptr<platform::IoEngine>> engines);
  Core &core(CoreId id);

  // From any thread. Runs task on the core: at once when it is the current one, else as a message. Order between two
  // threads is kept; a message does not overtake another, but what runs at once overtakes messages.
  void run_on(CoreId core, Task task);
  // As a message in any case: from inside a handler that must not be re-entered.
  void post(CoreId core, Task task);
  // Runs a job of the daemon's own on the helper thread, one after the other. It posts its result itself.
  void run_on_helper(Task job);
  // Runs a job with a channel's memory, which clients can make long: those of each user one after the other. As above.
  void run_on_memory_helper(uint32_t uid, Task job);

  static Cores &instance(); // the process's only one
private:
  struct Impl;
  uint32_t m_count;
  std::unique_ptr<Impl> m_impl;
};

}
