// SPDX-License-Identifier: GPL-3.0-or-later
// Many threads in the overlapped layer, for ThreadSanitizer and for what only shows with several of them. A wake-up that is lost hangs the
// test, and its time limit fails it.
#include "lib/include/httpsys.h"
#include "lib/include/windows.h"
#include "tests/unit/lib/fake_source.h"
#include <doctest/doctest.h>
#include <memory>
#include <poll.h>
#include <set>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace test;

namespace {

// What thread sanitizers slow down ten times needs fewer rounds.
#ifdef __SANITIZE_THREAD__
constexpr int kRounds = 2000;
#else
constexpr int kRounds = 10000;
#endif

class Queue {
public:
  Queue() : object(TestQueue::create()), handle(HandleMap::instance().insert(*object)) {}
  Queue(const Queue &) = delete;
  ~Queue() { CloseHandle(handle); }
  Ref<TestQueue> object;
  HANDLE handle;
};

// With a source and without: before HttpInitialize programs may wait for events too.
class MaybeAttached {
public:
  explicit MaybeAttached(bool is_attached) : m_attached(is_attached ? std::make_unique<Attached>() : nullptr) {}

private:
  std::unique_ptr<Attached> m_attached;
};

void join(std::vector<std::thread> &threads)
{
  for (std::thread &thread : threads)
    thread.join();
}

}

TEST_CASE("a port whose only reader is the leader gets a posted packet")
{
  for (bool is_attached : {false, true}) {
    MaybeAttached attached(is_attached);
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
    for (ULONG_PTR round = 0; round < 20; round++) {
      BOOL good = FALSE;
      ULONG_PTR key = 0;
      std::thread reader([&] {
        DWORD bytes;
        LPOVERLAPPED overlapped;
        good = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
      });
      if (round % 2 == 0)
        until_waiting(1); // asleep; in the other rounds, at any moment of falling asleep
      CHECK(PostQueuedCompletionStatus(port, 0, round + 1, nullptr));
      reader.join();
      CHECK(good);
      CHECK(key == round + 1);
    }
    CHECK(CloseHandle(port));
  }
}

TEST_CASE("SetEvent reaches a leader and a follower")
{
  for (bool is_attached : {false, true}) {
    MaybeAttached attached(is_attached);
    HANDLE events[2] = {CreateEvent(nullptr, FALSE, FALSE, nullptr), CreateEvent(nullptr, FALSE, FALSE, nullptr)};
    for (int round = 0; round < 20; round++) {
      DWORD results[2] = {WAIT_FAILED, WAIT_FAILED};
      std::vector<std::thread> waiters;
      for (int i = 0; i < 2; i++) {
        waiters.emplace_back([&, i] { results[i] = WaitForSingleObject(events[i], INFINITE); });
        until_waiting(static_cast<uint32_t>(i) + 1);
      }
      // The leader first, then the follower, and the other way round.
      for (int i = 0; i < 2; i++)
        CHECK(SetEvent(events[(i + round) % 2]));
      join(waiters);
      CHECK(results[0] == WAIT_OBJECT_0);
      CHECK(results[1] == WAIT_OBJECT_0);
    }
    for (HANDLE event : events)
      CHECK(CloseHandle(event));
  }
}

TEST_CASE("a leader that times out while two others wait hands over")
{
  Attached attached;
  Queue queue;
  HANDLE never = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  for (int round = 0; round < 5; round++) {
    OVERLAPPED overlapped[2] = {};
    TestOperation operations[2];
    DWORD timed_out = 0, bytes[2] = {};
    BOOL good[2] = {};
    for (int i = 0; i < 2; i++)
      REQUIRE(operations[i].begin(*queue.object, &overlapped[i]) == NO_ERROR);
    std::vector<std::thread> threads;
    threads.emplace_back([&] { timed_out = WaitForSingleObject(never, 60); });
    until_waiting(1);
    for (int i = 0; i < 2; i++)
      threads.emplace_back([&, i] { good[i] = GetOverlappedResult(queue.handle, &overlapped[i], &bytes[i], TRUE); });
    threads[0].join();
    threads.erase(threads.begin());
    CHECK(timed_out == WAIT_TIMEOUT);
    until_waiting(2);
    for (DWORD i = 0; i < 2; i++)
      attached.source.publish([&, i] { operations[i].succeed(i + 1); });
    join(threads);
    for (DWORD i = 0; i < 2; i++) {
      CHECK(good[i]);
      CHECK(bytes[i] == i + 1);
    }
  }
  CHECK(CloseHandle(never));
}

TEST_CASE("a leader whose wait is satisfied from inside hands over too")
{
  Attached attached;
  Queue queue;
  HANDLE event = CreateEvent(nullptr, FALSE, FALSE, nullptr);
  OVERLAPPED overlapped = {};
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  DWORD result = WAIT_FAILED, bytes = 0;
  std::thread leader([&] { result = WaitForSingleObject(event, INFINITE); });
  until_waiting(1);
  std::thread follower([&] { GetOverlappedResult(queue.handle, &overlapped, &bytes, TRUE); });
  until_waiting(2);
  CHECK(SetEvent(event));
  leader.join();
  CHECK(result == WAIT_OBJECT_0);
  attached.source.publish([&] { operation.succeed(5); });
  follower.join();
  CHECK(bytes == 5);
  CHECK(CloseHandle(event));
}

TEST_CASE("threads of a port: last in, first out")
{
  Attached attached;
  HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  std::atomic<int> order[3] = {-1, -1, -1};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++) {
    threads.emplace_back([&, i] {
      DWORD bytes;
      ULONG_PTR key;
      LPOVERLAPPED overlapped;
      if (GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE))
        order[key] = i;
    });
    until_waiting(static_cast<uint32_t>(i) + 1);
  }
  for (ULONG_PTR key = 0; key < 3; key++)
    CHECK(PostQueuedCompletionStatus(port, 0, key, nullptr));
  join(threads);
  for (int key = 0; key < 3; key++)
    CHECK(order[key] == 2 - key);
  CHECK(CloseHandle(port));
}

TEST_CASE("many waiters and posters: every packet once")
{
  Attached attached;
  constexpr int kThreads = 4;
  HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  std::atomic<uint64_t> sum{0}, count{0};
  std::vector<std::thread> readers, posters;
  for (int i = 0; i < kThreads; i++) {
    readers.emplace_back([&, i] {
      OVERLAPPED_ENTRY entries[4];
      ULONG removed = 0;
      for (bool goes_on = true; goes_on;) {
        // Some with time-outs, so that leaders come and go.
        if (!GetQueuedCompletionStatusEx(port, entries, i % 2 ? 4 : 1, &removed, i < 2 ? 1 : INFINITE, FALSE))
          continue;
        for (ULONG k = 0; k < removed; k++) {
          sum += entries[k].dwNumberOfBytesTransferred;
          count += entries[k].lpCompletionKey;
          goes_on = goes_on && entries[k].lpCompletionKey != 0;
        }
        // Ends of others go back.
        for (ULONG k = 0, ends = 0; k < removed; k++) {
          if (entries[k].lpCompletionKey == 0 && ends++ > 0)
            PostQueuedCompletionStatus(port, 0, 0, nullptr);
        }
      }
    });
    posters.emplace_back([&] {
      for (DWORD k = 1; k <= kRounds; k++) {
        PostQueuedCompletionStatus(port, k, 1, nullptr);
        if (k % 64 == 0)
          std::this_thread::yield();
      }
    });
  }
  join(posters);
  for (int i = 0; i < kThreads; i++)
    PostQueuedCompletionStatus(port, 0, 0, nullptr);
  join(readers);
  CHECK(count == uint64_t(kThreads) * kRounds);
  CHECK(sum == uint64_t(kThreads) * kRounds * (kRounds + 1) / 2);
  CHECK(CloseHandle(port));
}

TEST_CASE("closing a port lets all of its threads go, the leader too")
{
  Attached attached;
  HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  std::atomic<int> abandoned{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      DWORD bytes;
      ULONG_PTR key;
      LPOVERLAPPED overlapped;
      if (!GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE) && GetLastError() == ERROR_ABANDONED_WAIT_0 && !overlapped)
        abandoned++;
    });
  }
  until_waiting(4);
  CHECK(CloseHandle(port));
  join(threads);
  CHECK(abandoned == 4);
}

TEST_CASE("an event loop on the descriptor, alone, beside a poller, and beside a leader")
{
  enum class Beside { Nobody, Poller, Leader };
  for (Beside beside : {Beside::Nobody, Beside::Poller, Beside::Leader}) {
    Attached attached;
    Queue queue;
    HANDLE port = CreateIoCompletionPort(queue.handle, nullptr, 0, 0);
    std::atomic<bool> is_over{false};
    HANDLE end = CreateEvent(nullptr, TRUE, FALSE, nullptr);
    std::thread other([&] {
      OVERLAPPED idle = {};
      if (beside == Beside::Leader)
        WaitForSingleObject(end, INFINITE);
      while (beside == Beside::Poller && !is_over) {
        static_cast<void>(HasOverlappedIoCompleted(&idle));
        std::this_thread::yield();
      }
    });
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event = {};
    event.events = EPOLLIN;
    REQUIRE(httpsys_completion_fd() >= 0);
    REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, httpsys_completion_fd(), &event) == 0);

    std::vector<OVERLAPPED> overlapped(kRounds);
    std::vector<std::unique_ptr<TestOperation>> operations;
    for (OVERLAPPED &each : overlapped) {
      operations.push_back(std::make_unique<TestOperation>());
      REQUIRE(operations.back()->begin(*queue.object, &each) == NO_ERROR);
    }
    std::thread daemon([&] {
      for (auto &operation : operations) {
        attached.source.publish([&operation] { operation->succeed(1); });
        if (reinterpret_cast<uintptr_t>(operation.get()) / 64 % 3 == 0)
          std::this_thread::yield();
      }
    });
    int done = 0;
    CHECK(httpsys_dispatch() == NO_ERROR);
    while (done < kRounds) {
      OVERLAPPED_ENTRY entries[16];
      ULONG removed;
      while (GetQueuedCompletionStatusEx(port, entries, 16, &removed, 0, FALSE))
        done += static_cast<int>(removed);
      // No time limit: what the dispatch before this has left must ring.
      if (done < kRounds && beside == Beside::Nobody)
        CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
      else if (done < kRounds)
        epoll_wait(epoll, &event, 1, 1); // the other thread may have taken it in
      CHECK(httpsys_dispatch() == NO_ERROR);
    }
    daemon.join();
    is_over = true;
    CHECK(SetEvent(end));
    other.join();
    close(epoll);
    CHECK(CloseHandle(end));
    CHECK(CloseHandle(port));
  }
}

TEST_CASE("an event loop with nothing but the descriptor: each completion wakes it")
{
  Attached attached;
  Queue queue;
  CHECK(httpsys_dispatch() == NO_ERROR);
  for (int i = 0; i < kRounds; i++) {
    OVERLAPPED overlapped = {};
    TestOperation operation;
    REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
    std::thread daemon;
    if (i % 50 == 0)
      daemon = std::thread([&] { attached.source.publish([&] { operation.succeed(1); }); });
    else
      attached.source.publish([&] { operation.succeed(1); });
    pollfd descriptor = {httpsys_completion_fd(), POLLIN, 0};
    REQUIRE(poll(&descriptor, 1, -1) == 1);
    CHECK(httpsys_dispatch() == NO_ERROR);
    CHECK(overlapped.Internal == 0);
    if (daemon.joinable())
      daemon.join();
  }
}

TEST_CASE("a leader that empties the bell leaves it armed for the event loop")
{
  Attached attached;
  Queue queue;
  CHECK(httpsys_dispatch() == NO_ERROR);
  OVERLAPPED overlapped[2] = {};
  TestOperation operations[2];
  for (int i = 0; i < 2; i++)
    REQUIRE(operations[i].begin(*queue.object, &overlapped[i]) == NO_ERROR);
  DWORD bytes = 0;
  std::thread leader([&] { GetOverlappedResult(queue.handle, &overlapped[0], &bytes, TRUE); });
  until_waiting(1);
  attached.source.publish([&] { operations[0].succeed(1); });
  leader.join();
  pollfd descriptor = {httpsys_completion_fd(), POLLIN, 0};
  if (poll(&descriptor, 1, 0) == 1)
    CHECK(httpsys_dispatch() == NO_ERROR);
  attached.source.publish([&] { operations[1].succeed(2); });
  CHECK(poll(&descriptor, 1, 1000) == 1);
  CHECK(httpsys_dispatch() == NO_ERROR);
  CHECK(overlapped[1].Internal == 0);
}

TEST_CASE("one signal of an automatic event satisfies one of two who wait")
{
  HANDLE event = CreateEvent(nullptr, FALSE, FALSE, nullptr);
  std::atomic<int> satisfied{0}, timed_out{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&] {
      DWORD result = WaitForSingleObject(event, 200);
      satisfied += result == WAIT_OBJECT_0;
      timed_out += result == WAIT_TIMEOUT;
    });
  }
  until_waiting(2);
  CHECK(SetEvent(event));
  join(threads);
  CHECK(satisfied == 1);
  CHECK(timed_out == 1);
  CHECK(CloseHandle(event));
}

TEST_CASE("a source that dies or is replaced while a leader sleeps on it")
{
  HANDLE event = CreateEvent(nullptr, FALSE, FALSE, nullptr);
  Queue queue;
  OVERLAPPED overlapped = {};
  TestOperation operation;
  REQUIRE(operation.begin(*queue.object, &overlapped) == NO_ERROR);
  DWORD bytes = 0;
  std::unique_ptr<Attached> first = std::make_unique<Attached>();
  std::thread leader([&] { GetOverlappedResult(queue.handle, &overlapped, &bytes, TRUE); });
  until_waiting(1);
  first->source.is_dead = true;
  CHECK(httpsys_completion_fd() == -1);
  CHECK(httpsys_dispatch() == ERROR_CONNECTION_ABORTED);
  first.reset();
  CHECK(httpsys_completion_fd() == -1);
  Attached second;
  second.source.publish([&] { operation.succeed(6); });
  leader.join();
  CHECK(bytes == 6);
  CHECK(CloseHandle(event));
}

TEST_CASE("an automatic event hands one turn on at a time")
{
  Attached attached;
  HANDLE turn = CreateEvent(nullptr, FALSE, TRUE, nullptr);
  int counter = 0; // the event is its lock
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (int k = 0; k < kRounds; k++) {
        WaitForSingleObject(turn, INFINITE);
        counter++;
        SetEvent(turn);
      }
    });
  }
  join(threads);
  CHECK(counter == 4 * kRounds);
  CHECK(CloseHandle(turn));
}

TEST_CASE("waits for all of two events against waits for each")
{
  Attached attached;
  HANDLE events[2] = {CreateEvent(nullptr, FALSE, FALSE, nullptr), CreateEvent(nullptr, FALSE, FALSE, nullptr)};
  std::atomic<int> both{0}, single{0};
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    while (!is_over)
      both += WaitForMultipleObjects(2, events, TRUE, 5) == WAIT_OBJECT_0;
  });
  threads.emplace_back([&] {
    while (!is_over)
      single += WaitForMultipleObjects(2, events, FALSE, 5) < WAIT_OBJECT_0 + 2u;
  });
  for (int i = 0; i < kRounds; i++) {
    SetEvent(events[i % 2]);
    if (i % 16 == 0)
      std::this_thread::yield();
  }
  is_over = true;
  join(threads);
  int left = 0;
  for (HANDLE event : events) {
    left += WaitForSingleObject(event, 0) == WAIT_OBJECT_0;
    CHECK(CloseHandle(event));
  }
  // Sets of an event that is set are lost, so there is no equality.
  CHECK(2 * both + single + left <= kRounds);
  CHECK(2 * both + single + left > 0);
}

TEST_CASE("handles that are made, used and closed by many threads")
{
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  std::atomic<HANDLE> shared{nullptr};
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (int k = 0; k < kRounds; k++) {
        HANDLE handle = CreateEvent(nullptr, TRUE, FALSE, nullptr);
        failures += !handle || !SetEvent(handle) || WaitForSingleObject(handle, 0) != WAIT_OBJECT_0;
        // Of another thread, perhaps closed meanwhile: no crash, whatever the result.
        if (HANDLE other = shared.exchange(handle)) {
          SetEvent(other);
          failures += !CloseHandle(other);
          SetEvent(other);
        }
      }
    });
  }
  join(threads);
  CHECK(failures == 0);
  CHECK(CloseHandle(shared));
}

#ifndef __SANITIZE_THREAD__ // it allows no threads in such a child
TEST_CASE("without a descriptor for the eventfd the leader looks around by itself, and gets one when it can")
{
  pid_t child = fork(); // where the eventfd is not made yet
  if (child == 0) {
    alarm(20);
    HANDLE event = CreateEvent(nullptr, FALSE, FALSE, nullptr);
    rlimit before{}, none{};
    getrlimit(RLIMIT_NOFILE, &before);
    none.rlim_max = before.rlim_max;
    bool is_right = true;
    for (int i = 0; i < 20; i++) {
      setrlimit(RLIMIT_NOFILE, i < 10 ? &none : &before);
      std::thread setter([&] {
        until_waiting(1);
        SetEvent(event);
      });
      is_right &= WaitForSingleObject(event, 10000) == WAIT_OBJECT_0;
      setter.join();
    }
    _exit(is_right ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
#endif
