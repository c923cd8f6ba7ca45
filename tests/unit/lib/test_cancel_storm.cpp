// SPDX-License-Identifier: GPL-3.0-or-later
// Operations that begin, complete and are cancelled by many threads at once: each completes once, by whichever was first, and nobody
// touches it afterwards.
#include "lib/include/windows.h"
#include "tests/unit/lib/fake_source.h"
#include <doctest/doctest.h>
#include <algorithm>
#include <random>
#include <vector>

using namespace test;

namespace {

#ifdef __SANITIZE_THREAD__
constexpr int kRounds = 4000;
#else
constexpr int kRounds = 40000;
#endif

class StormOperation;

// Holds what is submitted until it completes it or is asked to cancel it; as the daemon, it decides which.
class StormDaemon {
public:
  explicit StormDaemon(FakeSource &source) : m_source(source) {}
  void submit(StormOperation &operation);
  // From under the dispatcher lock.
  void cancel(StormOperation &operation);
  bool complete_one();

private:
  std::mutex m_mutex;
  std::vector<StormOperation *> m_parked;
  FakeSource &m_source;
};

class StormOperation final : public PendingOperation {
public:
  explicit StormOperation(StormDaemon &daemon, bool is_blocking) : m_daemon(daemon), m_deletes_itself(!is_blocking) {}
  ~StormOperation() = default;
  bool try_cancel() override
  {
    m_daemon.cancel(*this);
    return false;
  }
  void withdrawn() override {}
  // By whoever reaps.
  void end(int status, uint64_t bytes)
  {
    bool deletes_itself = m_deletes_itself;
    complete(static_cast<uint32_t>(status), bytes, status ? "cancelled" : "");
    if (deletes_itself)
      delete this;
  }

private:
  StormDaemon &m_daemon;
  bool m_deletes_itself;
};

void StormDaemon::submit(StormOperation &operation)
{
  std::lock_guard lock(m_mutex);
  m_parked.push_back(&operation);
}

void StormDaemon::cancel(StormOperation &operation)
{
  {
    std::lock_guard lock(m_mutex);
    auto found = std::find(m_parked.begin(), m_parked.end(), &operation);
    if (found == m_parked.end())
      return;
    m_parked.erase(found);
  }
  m_source.publish([&operation] { operation.end(HSYS_STATUS_CANCELLED, 0); });
}

bool StormDaemon::complete_one()
{
  StormOperation *operation;
  {
    std::lock_guard lock(m_mutex);
    if (m_parked.empty())
      return false;
    operation = m_parked.back();
    m_parked.pop_back();
  }
  m_source.publish([operation] { operation->end(HSYS_STATUS_SUCCESS, 7); });
  return true;
}

struct Storm {
  Attached attached;
  StormDaemon daemon{attached.source};
  Ref<TestQueue> queue = TestQueue::create();
  HANDLE handle = HandleMap::instance().insert(*queue);
  std::atomic<int> succeeded{0}, cancelled{0}, wrong{0};

  void count(BOOL good, DWORD bytes)
  {
    if (good && bytes == 7)
      succeeded++;
    else if (!good && GetLastError() == ERROR_OPERATION_ABORTED && bytes == 0)
      cancelled++;
    else
      wrong++;
  }

  void begin(OVERLAPPED *overlapped)
  {
    StormOperation *operation = new StormOperation(daemon, false);
    if (operation->begin(*queue, overlapped) != NO_ERROR) {
      wrong++;
      delete operation;
      return;
    }
    daemon.submit(*operation);
  }

  void with_results()
  {
    OVERLAPPED overlapped = {};
    for (int i = 0; i < kRounds; i++) {
      DWORD bytes = 1;
      begin(&overlapped);
      BOOL good = GetOverlappedResult(handle, &overlapped, &bytes, TRUE);
      count(good, bytes);
    }
  }

  void with_events()
  {
    OVERLAPPED overlapped = {};
    overlapped.hEvent = CreateEvent(nullptr, FALSE, FALSE, nullptr);
    for (int i = 0; i < kRounds; i++) {
      DWORD bytes = 1;
      begin(&overlapped);
      if (i % 3 == 0)
        CancelIoEx(handle, &overlapped);
      if (WaitForSingleObject(overlapped.hEvent, INFINITE) != WAIT_OBJECT_0)
        wrong++;
      BOOL good = GetOverlappedResult(handle, &overlapped, &bytes, FALSE);
      count(good, bytes);
    }
    CloseHandle(overlapped.hEvent);
  }

  void blocking()
  {
    for (int i = 0; i < kRounds; i++) {
      StormOperation operation(daemon, true);
      if (operation.begin(*queue, nullptr) != NO_ERROR)
        wrong++;
      daemon.submit(operation);
      uint64_t bytes = 1;
      uint32_t status = operation.wait(bytes);
      if (status)
        SetLastError(ERROR_OPERATION_ABORTED);
      count(status == 0, static_cast<DWORD>(bytes));
    }
  }
};

}

TEST_CASE("a storm of operations, completions and cancels")
{
  Storm storm;
  std::atomic<bool> is_over{false};
  std::thread daemon([&] {
    while (!is_over) {
      if (!storm.daemon.complete_one())
        std::this_thread::yield();
    }
  });
  std::thread canceller([&] {
    std::minstd_rand random(7);
    while (!is_over) {
      if (random() % 8 == 0)
        CancelIoEx(storm.handle, nullptr);
      else
        std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&] { storm.with_results(); });
    threads.emplace_back([&] { storm.with_events(); });
    threads.emplace_back([&] { storm.blocking(); });
  }
  for (std::thread &thread : threads)
    thread.join();
  is_over = true;
  daemon.join();
  canceller.join();
  CHECK(storm.wrong == 0);
  CHECK(storm.succeeded + storm.cancelled == 6 * kRounds);
  CHECK(storm.succeeded > 0);
  CHECK(CloseHandle(storm.handle));
}
