// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/control_closer.h"
#include <cerrno>
#include <chrono>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::platform;

// The stack of threads that are made from now on.
static void set_stack_size(size_t size)
{
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, size) == 0);
  REQUIRE(pthread_setattr_default_np(&attributes) == 0);
  pthread_attr_destroy(&attributes);
}

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
  pthread_attr_t before;
  size_t size = 0;
  REQUIRE(pthread_getattr_default_np(&before) == 0);
  REQUIRE(pthread_attr_getstacksize(&before, &size) == 0);
  pthread_attr_destroy(&before);
  int first[2], second[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, first) == 0);
  REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, second) == 0);
  ControlCloser closer;
  set_stack_size(size_t{1} << 47); // more than a process can have
  CHECK(closer.start().error() == NtStatus::InsufficientResources);
  set_stack_size(size);
  REQUIRE(closer.start());
  set_stack_size(size_t{1} << 47);
  CHECK(closer.start()); // it runs
  closer.close_control(first[0], 1000);
  closer.close_control(second[0], 1000);
  CHECK(has_closed_all(closer));
  set_stack_size(size);
  char byte;
  CHECK(read(first[1], &byte, 1) == 0);
  CHECK(read(second[1], &byte, 1) == 0);
  close(first[1]);
  close(second[1]);
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

static void check_that_only_its_user_waits(ControlCloser &closer)
{
  WaitingFile file;
  if (file.faults < 0) {
    MESSAGE("not tried: userfaultfd is not permitted");
    return;
  }
  int ends[2][2];
  for (auto &pair : ends)
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
  REQUIRE(closer.share(file.event));
  closer.close_shared(file.event, 1000);
  closer.close_control(ends[0][0], 1000);
  closer.close_control(ends[1][0], 1001);
  char byte;
  CHECK(read(ends[1][1], &byte, 1) == 0);
  for (int i = 0; i < 60000 && closer.held().empty(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  auto held = closer.held();
  REQUIRE(held.size() == 1);
  CHECK(held[0].uid == 1000);
  CHECK(held[0].count == 2);
  CHECK(closer.waiting() == 0); // not of those that anybody else waits for
  pollfd end{ends[0][1], POLLIN, 0};
  CHECK(poll(&end, 1, 0) == 0);
  file.release();
  CHECK(has_closed_all(closer));
  CHECK(read(ends[0][1], &byte, 1) == 0);
  for (auto &pair : ends)
    close(pair[1]);
}

TEST_CASE("who makes a close wait holds up that user's other closes, and nobody else's")
{
  ControlCloser closer;
  SUBCASE("on threads")
  {
    REQUIRE(closer.start());
    check_that_only_its_user_waits(closer);
  }
#ifndef __SANITIZE_THREAD__ // which wants no threads in the child of a process that has some
  SUBCASE("in another process, which has a file from before its client")
  {
    std::string reason;
    REQUIRE(closer.start_process(reason));
    check_that_only_its_user_waits(closer);
  }
#endif
}
