// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/control_closer.h"
#include <cerrno>
#include <chrono>
#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/socket.h>
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
    closer.close(ends[0]);
    for (int i = 0; i < 60000 && closer.waiting(); i++)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(closer.waiting() == 0);
    char byte;
    const ssize_t got = read(ends[1], &byte, 1);
    CAPTURE(messages);
    CHECK(got == (messages > 1024 ? -1 : 0));
    CHECK((got == 0 || errno == ECONNRESET));
    close(ends[1]);
  }
}

TEST_CASE("whether the closer's thread can be started is known before the first close, and later closes need none")
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
  closer.close(first[0]);
  closer.close(second[0]);
  for (int i = 0; i < 60000 && closer.waiting(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(closer.waiting() == 0);
  set_stack_size(size);
  char byte;
  CHECK(read(first[1], &byte, 1) == 0);
  CHECK(read(second[1], &byte, 1) == 0);
  close(first[1]);
  close(second[1]);
}
