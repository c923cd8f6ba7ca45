// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/control_closer.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fstream>
#include <linux/userfaultfd.h>
#include <memory>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace httpsys;
using namespace httpsys::platform;

static bool has_closed_all(ControlCloser &closer)
{
  for (int i = 0; i < 60000 && closer.waiting() + closer.held().size() > 0; i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return closer.waiting() + closer.held().size() == 0;
}

TEST_CASE("of a session that ends so many unread messages are dropped, and its client reads the end; with one more, that it was cut off")
{
  ControlCloser closer;
  REQUIRE(closer.start());
  for (int messages : {1023, 1024, 1025}) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    const int bytes = 4 << 20;
    if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
      MESSAGE("not tried: only root can have so many messages unread");
      close(ends[0]);
      close(ends[1]);
      return;
    }
    for (int count = 0; count < messages; count++)
      REQUIRE(send(ends[1], "x", 1, MSG_DONTWAIT) == 1);
    closer.close_control(ends[0], 1000);
    REQUIRE(has_closed_all(closer));
    char byte;
    const ssize_t got = read(ends[1], &byte, 1);
    CAPTURE(messages);
    CHECK(got == (messages > 1024 ? -1 : 0));
    CHECK((got == 0 || errno == ECONNRESET));
    close(ends[1]);
  }
}

TEST_CASE("whether the closer's threads can be started is known before the first close, and later closes need none")
{
  ClosingLanes lanes;
  CHECK(lanes.start(4, size_t{1} << 47).error() == NtStatus::InsufficientResources); // more than a process can have
  REQUIRE(lanes.start(4, kCloserStack));
  CHECK(lanes.start(4, size_t{1} << 47)); // they run
  LaneCount count{2, 0, 0};
  int ends[2][2];
  for (uint32_t lane : {0, 1}) {
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends[lane]) == 0);
    lanes.add({.descriptor = ends[lane][0], .lane = lane, .count = &count});
  }
  for (const auto &pair : ends) {
    char byte;
    CHECK(read(pair[1], &byte, 1) == 0);
    close(pair[1]);
  }
  for (int i = 0; i < 60000 && count.count > 0; i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(count.count == 0);
}

// An eventfd that makes whoever closes it last wait until release(), as its client can.
class WaitingFile {
public:
  WaitingFile()
  {
    faults = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
    if (faults < 0)
      return;
    uffdio_api api{UFFD_API, 0, 0};
    REQUIRE(ioctl(faults, UFFDIO_API, &api) == 0);
    m_page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(m_page != MAP_FAILED);
    uffdio_register range{{reinterpret_cast<uint64_t>(m_page), 4096}, UFFDIO_REGISTER_MODE_MISSING, 0};
    REQUIRE(ioctl(faults, UFFDIO_REGISTER, &range) == 0);
    event = eventfd(0, EFD_CLOEXEC);
    m_watcher = epoll_create1(EPOLL_CLOEXEC);
    epoll_event wanted{EPOLLOUT, {}};
    REQUIRE(epoll_ctl(m_watcher, EPOLL_CTL_ADD, event, &wanted) == 0);
    m_waiter = std::thread([this] { epoll_wait(m_watcher, static_cast<epoll_event *>(m_page), 1, -1); });
    pollfd missing{faults, POLLIN, 0};
    REQUIRE(poll(&missing, 1, 20'000) == 1);
  }
  void release()
  {
    uffdio_zeropage zero{{reinterpret_cast<uint64_t>(m_page), 4096}, 0, 0};
    CHECK(ioctl(faults, UFFDIO_ZEROPAGE, &zero) == 0);
    m_waiter.join();
    munmap(m_page, 4096);
    close(m_watcher);
    close(faults);
  }
  int faults = -1; // -1: there can be none
  int event = -1;

private:
  void *m_page = nullptr;
  int m_watcher = -1;
  std::thread m_waiter;
};

static void wait_for_holder(ControlCloser &closer)
{
  for (int i = 0; i < 60000 && closer.held().empty(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

struct Pair {
  Pair() { REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0); }
  ~Pair() { close(ends[1]); }
  bool has_ended(int milliseconds) const
  {
    pollfd end{ends[1], POLLIN, 0};
    return poll(&end, 1, milliseconds) == 1;
  }
  int ends[2]; // the first one is given away
};

static void check_that_only_its_lane_waits(ControlCloser &closer)
{
  WaitingFile file;
  if (file.faults < 0) {
    MESSAGE("not tried: userfaultfd is not permitted");
    return;
  }
  Pair his, others;
  REQUIRE(closer.share(file.event, 1000));
  closer.close_shared(file.event, 1000);
  closer.close_shared(his.ends[0], 1000);
  closer.close_shared(others.ends[0], 1001);
  CHECK(others.has_ended(20'000));
  wait_for_holder(closer);
  auto held = closer.held();
  REQUIRE(held.size() == 1);
  CHECK(held[0].uid == 1000);
  CHECK(held[0].count >= 1);
  CHECK(closer.waiting() == 0); // not of those that anybody else waits for
  file.release();
  CHECK(has_closed_all(closer));
  CHECK(his.has_ended(20'000));
}

TEST_CASE("who makes a close wait holds up that user's other closes, and nobody else's")
{
  ControlCloser closer;
  SUBCASE("on threads")
  {
    REQUIRE(closer.start());
    check_that_only_its_lane_waits(closer);
  }
#ifndef __SANITIZE_THREAD__ // which wants no threads in the child of a process that has some
  SUBCASE("in another process, which has a file from before its client")
  {
    std::string reason;
    REQUIRE(closer.start_process(reason));
    check_that_only_its_lane_waits(closer);
  }
#endif
}

TEST_CASE("who makes many closes wait, each for a little less than is too long, holds them up, too")
{
  constexpr size_t kFiles = 5 + limits::kClosesHeldMilliseconds / (limits::kCloseHeldMilliseconds / 2);
  ControlCloser closer;
  REQUIRE(closer.start());
  std::vector<std::unique_ptr<WaitingFile>> files;
  for (size_t i = 0; i < kFiles; i++) {
    files.push_back(std::make_unique<WaitingFile>());
    if (files.back()->faults < 0) {
      MESSAGE("not tried: userfaultfd is not permitted");
      return;
    }
  }
  for (const auto &file : files)
    closer.close_shared(file->event, 1000);
  for (size_t i = 0; i + 1 < kFiles; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(limits::kCloseHeldMilliseconds / 2));
    files[i]->release();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  auto held = closer.held();
  REQUIRE(held.size() == 1);
  CHECK(held[0].uid == 1000);
  CHECK(closer.waiting() == 0);
  files.back()->release();
  CHECK(has_closed_all(closer));
  CHECK(closer.held().empty());
}

// Users whose closes wait for others', since all threads do, hold up nothing themselves.
TEST_CASE("only who makes a close wait is blamed for it, however many do")
{
  ControlCloser closer;
  REQUIRE(closer.start());
  std::vector<std::unique_ptr<WaitingFile>> files;
  for (size_t i = 0; i < limits::kClosersOwn; i++) {
    files.push_back(std::make_unique<WaitingFile>());
    if (files.back()->faults < 0) {
      MESSAGE("not tried: userfaultfd is not permitted");
      return;
    }
    closer.close_shared(files.back()->event, 1000 + static_cast<uint32_t>(i));
  }
  Pair honest;
  closer.close_shared(honest.ends[0], 5000);
  for (int i = 0; i < 60000 && closer.held().size() < limits::kClosersOwn; i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(2 * limits::kCloseHeldMilliseconds));
  CHECK(!honest.has_ended(0));
  CHECK(closer.held().size() == limits::kClosersOwn);
  CHECK(closer.waiting() == 1);
  for (const auto &held : closer.held())
    CHECK(held.uid < 5000);
  for (auto &file : files)
    file->release();
  CHECK(has_closed_all(closer));
  CHECK(honest.has_ended(20'000));
}

#ifndef __SANITIZE_THREAD__
// Somebody connects again and again, and is turned away.
static void check_many_refused(ControlCloser &closer, bool can_wait)
{
  closer.set_controls_can_wait(can_wait);
  WaitingFile file, refused;
  if (file.faults < 0) {
    MESSAGE("not tried: userfaultfd is not permitted");
    return;
  }
  REQUIRE(closer.share(file.event, 1000));
  closer.close_shared(file.event, 1000);
  if (can_wait)
    closer.close_control(refused.event, 1000); // as if it were a socket that has such a file in a message
  wait_for_holder(closer);
  std::vector<std::unique_ptr<Pair>> sockets;
  for (int i = 0; i < 400; i++) {
    sockets.push_back(std::make_unique<Pair>());
    closer.close_control(sockets.back()->ends[0], 1000);
  }
  Pair others;
  REQUIRE(closer.share(others.ends[0], 1001));
  closer.close_shared(others.ends[0], 1001);
  CHECK(others.has_ended(20'000));
  if (can_wait) {
    size_t waiting = closer.waiting(); // one more while a close goes from the daemon to its process
    for (int i = 0; i < 60000 && waiting != 401 - limits::kClosesHeldPerUser; i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      waiting = closer.waiting();
    }
    CHECK(waiting == 401 - limits::kClosesHeldPerUser); // nobody is accepted then
  } else {
    for (const auto &socket : sockets)
      CHECK(socket->has_ended(20'000));
  }
  file.release();
  if (!can_wait)
    closer.close_control(refused.event, 1000);
  refused.release();
  CHECK(has_closed_all(closer));
}

TEST_CASE("control sockets of a user who holds up closes: closed where that cannot wait, and otherwise counted beyond a bound")
{
  ControlCloser closer;
  std::string reason;
  REQUIRE(closer.start_process(reason));
  SUBCASE("they cannot wait") { check_many_refused(closer, false); }
  SUBCASE("they can") { check_many_refused(closer, true); }
}

// The closing process that has been started last.
static pid_t last_child()
{
  std::ifstream children("/proc/self/task/" + std::to_string(gettid()) + "/children");
  pid_t child = 0;
  while (children >> child)
    ;
  return child;
}

TEST_CASE("the closing process is killed: callers do not wait, nor does its share, and what it had is counted no more")
{
  ControlCloser closer;
  std::string reason;
  static std::atomic<int> lines;
  REQUIRE(closer.start_process(reason));
  set_log_sink([](LogCause, std::string line) { lines += line.find("is gone") != std::string::npos; });
  WaitingFile before, after;
  if (before.faults < 0) {
    MESSAGE("not tried: userfaultfd is not permitted");
    return;
  }
  REQUIRE(closer.share(before.event, 1000));
  REQUIRE(closer.share(after.event, 1001));
  closer.close_shared(before.event, 1000);
  wait_for_holder(closer);
  const pid_t child = last_child();
  kill(child, SIGKILL); // it ends when that close does, its other threads at once
  for (int i = 0; i < 60000 && !closer.held().empty(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(closer.held().empty());
  CHECK(closer.waiting() == 0);
  CHECK(lines == 1);
  before.release();
  CHECK(waitpid(child, nullptr, 0) == child); // what it had is closed
  const auto began = std::chrono::steady_clock::now();
  Pair others;
  REQUIRE(closer.share(others.ends[0], 1002));
  closer.close_shared(after.event, 1001); // the last one
  closer.close_shared(others.ends[0], 1002);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::milliseconds(500));
  CHECK(others.has_ended(20'000));
  wait_for_holder(closer);
  auto held = closer.held();
  REQUIRE(held.size() == 1);
  CHECK(held[0].uid == 1001);
  after.release();
  CHECK(has_closed_all(closer));
  CHECK(lines == 1);
  set_log_sink(nullptr);
}

TEST_CASE("a closing process that can open no more keeps nothing more, and says so")
{
  ControlCloser closer;
  std::string reason;
  REQUIRE(closer.start_process(reason));
  const pid_t child = last_child();
  rlimit limit{};
  REQUIRE(prlimit(child, RLIMIT_NOFILE, nullptr, &limit) == 0);
  limit.rlim_cur = 8;
  REQUIRE(prlimit(child, RLIMIT_NOFILE, &limit, nullptr) == 0);
  std::vector<int> kept;
  int event = -1;
  Result<void> shared;
  while (kept.size() < 20 && (shared = closer.share(event = eventfd(0, EFD_CLOEXEC), 1000)))
    kept.push_back(event);
  CHECK(shared.error() == NtStatus::InsufficientResources);
  CHECK(kept.size() >= 2);
  CHECK(kept.size() <= 4);
  close(event);
  for (int descriptor : kept)
    closer.close_shared(descriptor, 1000);
  CHECK(has_closed_all(closer));
  event = eventfd(0, EFD_CLOEXEC);
  CHECK(closer.share(event, 1000));
  closer.close_shared(event, 1000);
  CHECK(has_closed_all(closer));
}

TEST_CASE("no user has more than half of what the closing process may keep")
{
  rlimit limit{}, few{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  few = limit;
  few.rlim_cur = 132; // 100 of them
  ControlCloser closer;
  std::string reason;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  auto started = closer.start_process(reason);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  REQUIRE(started);
  for (int rounds = 0; rounds < 2; rounds++) { // and has as many again when they are closed
    std::vector<int> kept;
    for (uint32_t uid : {1000, 1001}) {
      for (int i = 0; i < 50; i++) {
        kept.push_back(eventfd(0, EFD_CLOEXEC));
        REQUIRE(closer.share(kept.back(), uid));
        if (uid == 1000 && i == 49)
          CHECK(closer.share(kept.back(), uid).error() == NtStatus::InsufficientResources);
      }
    }
    for (int descriptor : kept)
      closer.close_shared(descriptor, 1000);
    CHECK(has_closed_all(closer));
  }
}
#endif
