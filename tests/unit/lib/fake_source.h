// SPDX-License-Identifier: GPL-3.0-or-later
// FakeSource: a completion source as strict as the ring: it rings once, and only when what is published passes the point at which it was
// armed (uapi/ring_inline.h), so that a wake-up that the library loses hangs the test. Operations and queues to complete go with it.
#pragma once
#include "lib/completion_source.h"
#include "lib/overlapped.h"
#include "lib/reaper.h"
#include "uapi/ring_inline.h"
#include "uapi/status.h"
#include <atomic>
#include <chrono>
#include <deque>
#include <fcntl.h>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace test {

using namespace httpsys::lib;

class FakeSource final : public CompletionSource {
public:
  FakeSource()
  {
    if (pipe2(m_bell, O_CLOEXEC | O_NONBLOCK) != 0)
      throw std::runtime_error("pipe2");
  }
  ~FakeSource() override
  {
    ::close(m_bell[0]);
    ::close(m_bell[1]);
  }

  // As the daemon: something has completed, and `complete` is what the library does with it.
  void publish(std::function<void()> complete)
  {
    bool rings;
    {
      std::lock_guard lock(m_mutex);
      m_entries.push_back(std::move(complete));
      uint32_t before = m_tail;
      rings = hsys_publish(&m_tail, &m_wake, before, before + 1);
    }
    if (rings && write(m_bell[1], "b", 1) != 1)
      abort();
  }

  int bell() override { return is_dead ? -1 : m_bell[0]; }

  bool reap(bool rang) override
  {
    std::unique_lock reaping(m_reaping, std::try_to_lock);
    if (!reaping)
      return false;
    reaps++;
    if (rang)
      empty_bell();
    bool has_reaped = false;
    for (std::function<void()> entry = take(); entry; entry = take()) {
      entry();
      has_reaped = true;
    }
    return has_reaped;
  }

  bool arm() override
  {
    std::lock_guard reaping(m_reaping);
    arms++;
    return is_dead || !hsys_arm(&m_wake, &m_tail, m_head);
  }

  uint32_t error() override { return is_dead ? 1236u : 0u; }

  std::atomic<bool> is_dead{false};
  std::atomic<uint32_t> reaps{0}, arms{0};

private:
  void empty_bell()
  {
    char bytes[16];
    while (read(m_bell[0], bytes, sizeof bytes) > 0) {
    }
  }
  std::function<void()> take()
  {
    std::lock_guard lock(m_mutex);
    if (m_entries.empty())
      return {};
    std::function<void()> entry = std::move(m_entries.front());
    m_entries.pop_front();
    m_head++;
    return entry;
  }

  int m_bell[2];
  std::mutex m_reaping, m_mutex;
  std::deque<std::function<void()>> m_entries;
  uint32_t m_tail = 0, m_wake = 0xffffffffu;
  uint32_t m_head = 0; // m_reaping
};

// Gives the process a source for as long as it lives.
class Attached {
public:
  Attached() : source(*new FakeSource)
  {
    Reaper::instance().set_source(Ref<CompletionSource>(&source));
  }
  ~Attached()
  {
    Reaper::instance().set_source({});
    source.unref();
  }
  FakeSource &source;
};

class TestQueue final : public QueueObject {
public:
  static Ref<TestQueue> create() { return Ref<TestQueue>::adopt(new TestQueue); }
  void close() override
  {
    closed++;
    cancel(nullptr, Whose::AllThreads);
  }
  std::atomic<int> closed{0};
};

// What becomes of an operation that is cancelled: nothing, a withdrawal, or the daemon's completion with CANCELLED.
enum class OnCancel { Ignore, Withdraw, Complete };

class TestOperation final : public PendingOperation {
public:
  explicit TestOperation(OnCancel on_cancel = OnCancel::Ignore, FakeSource *source = nullptr)
    : m_on_cancel(on_cancel), m_source(source)
  {
  }
  ~TestOperation() = default;

  bool try_cancel() override
  {
    cancels++;
    if (m_on_cancel == OnCancel::Complete && cancels == 1)
      m_source->publish([this] { complete(static_cast<uint32_t>(HSYS_STATUS_CANCELLED), 0, "cancelled by the test"); });
    return m_on_cancel == OnCancel::Withdraw;
  }
  void withdrawn() override { withdrawals++; }

  void succeed(uint64_t bytes) { complete(HSYS_STATUS_SUCCESS, bytes, {}); }
  void fail(int status, uint64_t bytes = 0, std::string_view reason = {}) { complete(static_cast<uint32_t>(status), bytes, reason); }

  int cancels = 0;
  std::atomic<int> withdrawals{0};

private:
  OnCancel m_on_cancel;
  FakeSource *m_source;
};

// Until so many threads wait in the library, one of them asleep as the leader; or ten seconds have passed, and the test will tell.
inline void until_waiting(uint32_t count)
{
  for (int i = 0; i < 10000 && Reaper::instance().waiting() < count; i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}
