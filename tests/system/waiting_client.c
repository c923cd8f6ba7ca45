// SPDX-License-Identifier: GPL-3.0-or-later
// A client of the ring that tries to make the daemon wait, until its standard input ends: waiting_client SOCKET KIND
// hangs: a thread reads the bell into a page that does not come (userfaultfd), and the bell is rung. Prints "hangs".
// takes-away: it kicks and takes its half of the channel away, without having sealed it. Prints "cut off REASON".
// epoll UID COUNT leaves|stays|leaves-later: has so many sessions as that user, hangs in an epoll_wait that holds their kicks and bells,
// and leaves them all, or closes the kicks alone: whoever closes one of these last waits for it. Prints "hangs COUNT". leaves-later: it
// leaves them when a line comes, and prints "left COUNT".
// watched COUNT: its bell is watched in so many places and rung until it is cut off. Prints "cut off REASON" (hsys_revocation).
// collapse sealed|replaced: it has the kernel move the pages of both halves into huge ones, after it has put other pages in the place of
// those of its half or not. Prints "moved COUNT", of pieces.
// Prints "not tried: WHY" where it cannot.
#include "tests/abi/ring_client.h"
#include "uapi/ring_inline.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ANSWER_MS 20000
#define HUGE_BYTES (2ull << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 // Linux 6.1
#endif

static struct ring_client client;
static void *absent_page;

static void check(const char *what, int is_good)
{
  if (is_good)
    return;
  fprintf(stderr, "%s failed: %s\n", what, strerror(errno));
  exit(1);
}

static void say(const char *text, long number)
{
  printf("%s %ld\n", text, number);
  fflush(stdout);
}

static int input_has_ended(void)
{
  struct pollfd input = {.fd = 0, .events = POLLIN};
  return poll(&input, 1, 0) != 0;
}

static void wait_for_input(void)
{
  struct pollfd input = {.fd = 0, .events = POLLIN};
  poll(&input, 1, -1);
}

// A NOP whose completion rings the bell.
static void submit_ringing(void)
{
  struct hsys_sqe entry;
  memset(&entry, 0, sizeof entry);
  entry.op = HSYS_OP_NOP;
  entry.irp_id = ring_next_irp(&client);
  hsys_store_release(&ring_upage(&client)->cq_wake, client.cq_head);
  if (ring_push(&client, &entry))
    ring_submit(&client);
  ring_kick(&client);
}

static void *read_bell(void *unused)
{
  (void)unused;
  fcntl(client.bell, F_SETFL, 0); // it waits for the ring
  if (read(client.bell, absent_page, 1) < 0)
    perror("read");
  return NULL;
}

// What tells of a fault on absent_page; -1: not tried.
static int make_absent_page(void)
{
  struct uffdio_api api = {.api = UFFD_API};
  struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
  int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK); // whoever polls it needs that
  if (faults < 0) {
    say("not tried: userfaultfd is not permitted", errno);
    return -1;
  }
  check("UFFDIO_API", ioctl(faults, UFFDIO_API, &api) == 0);
  absent_page = mmap(NULL, HSYS_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check("mmap", absent_page != MAP_FAILED);
  range.range.start = (uint64_t)(uintptr_t)absent_page;
  range.range.len = HSYS_PAGE;
  check("UFFDIO_REGISTER", ioctl(faults, UFFDIO_REGISTER, &range) == 0);
  return faults;
}

static void hang(void)
{
  struct pollfd fault = {.fd = make_absent_page(), .events = POLLIN};
  pthread_t reader;
  if (fault.fd < 0)
    return;
  check("pthread_create", pthread_create(&reader, NULL, read_bell, NULL) == 0);
  submit_ringing();
  check("the fault", poll(&fault, 1, ANSWER_MS) == 1);
  for (int count = 0; count < 100; count++) {
    submit_ringing();
    usleep(1000);
  }
  say("hangs", 0);
  wait_for_input();
  _exit(0); // a sanitizer's search for leaks would wait for the reader
}

static void *wait_for_events(void *watcher)
{
  if (epoll_wait(*(const int *)watcher, absent_page, 1, -1) < 0) // with its lock, while it writes what it has found
    perror("epoll_wait");
  return NULL;
}

static void hang_in_epoll(const char *socket, unsigned user, long count, const char *what)
{
  char line;
  struct pollfd fault = {.fd = make_absent_page(), .events = POLLIN};
  struct ring_client *clients = calloc((size_t)count, sizeof *clients);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
  int watcher = epoll_create1(EPOLL_CLOEXEC);
  pthread_t waiter;
  if (fault.fd < 0)
    return;
  check("calloc", clients != NULL);
  check("setresuid", setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0); // who may have such a page is another matter
  for (long i = 0; i < count; i++) {
    check("ring_connect", ring_connect(&clients[i], socket, ANSWER_MS) == 0);
    check("ring_hello", ring_hello(&clients[i], "waiting_client") == 0);
    check("ring_open_channel", ring_open_channel(&clients[i], 64, 128, 65536, 65536) == 0);
    check("epoll_ctl", epoll_ctl(watcher, EPOLL_CTL_ADD, clients[i].kick, &event) == 0);
    check("epoll_ctl", epoll_ctl(watcher, EPOLL_CTL_ADD, clients[i].bell, &event) == 0);
  }
  check("pthread_create", pthread_create(&waiter, NULL, wait_for_events, &watcher) == 0);
  check("the fault", poll(&fault, 1, ANSWER_MS) == 1);
  // Not the last closes, as the daemon has the kicks until the session ends. The bells' ends it may have closed: that would hang here.
  for (long i = 0; i < count; i++) {
    close(clients[i].kick);
    clients[i].kick = clients[i].bell = -1;
    if (strcmp(what, "leaves") == 0)
      ring_close(&clients[i]);
  }
  say("hangs", count);
  wait_for_input();
  if (strcmp(what, "leaves-later") == 0) {
    for (long i = 0; i < count; i++)
      ring_close(&clients[i]);
    check("read", read(0, &line, 1) == 1);
    say("left", count);
    wait_for_input();
  }
  _exit(0); // as in hang()
}

static void tell_end(void)
{
  struct hsys_cqe completion;
  int result = 1;
  while (result == 1)
    result = ring_next(&client, &completion, ANSWER_MS);
  say(result == RING_CLOSED ? "cut off" : "not cut off", (long)ring_kpage(&client)->reason);
}

static void take_away(void)
{
  check("fallocate", fallocate(client.utok_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)client.geometry.utok_bytes) == 0);
  for (int count = 0; count < 20 && !input_has_ended(); count++) {
    ring_kick(&client);
    check("fallocate", fallocate(client.utok_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)client.geometry.utok_bytes) == 0);
  }
  tell_end();
}

static long watch(long wanted)
{
  struct rlimit limit;
  long dups = 0, watches = 0;
  int *doors;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  doors = calloc(4000, sizeof *doors);
  check("calloc", doors != NULL);
  while (dups < 4000 && (doors[dups] = dup(client.bell)) >= 0)
    dups++;
  for (int watcher; watches < wanted && (watcher = epoll_create1(0)) >= 0;) {
    for (long i = 0; i < dups; i++) {
      struct epoll_event event = {.events = EPOLLIN | EPOLLET};
      if (epoll_ctl(watcher, EPOLL_CTL_ADD, doors[i], &event) != 0)
        return watches;
      watches++;
    }
  }
  return watches;
}

static void be_watched(long wanted)
{
  long watches = watch(wanted);
  if (watches < wanted) {
    say("not tried: a user may not have so many watches, but", watches);
    return;
  }
  for (int count = 0; count < 200 && !input_has_ended(); count++) {
    struct hsys_cqe completion;
    submit_ringing();
    if (ring_next(&client, &completion, ANSWER_MS) != 1)
      return tell_end();
  }
  say("not cut off", 0);
}

// So many pieces of that file are in huge pages now, which they were not. They need not end where the file does.
static long collapse(int file, uint64_t bytes)
{
  uint64_t pieces = (bytes + HUGE_BYTES - 1) / HUGE_BYTES;
  char *room = mmap(NULL, (pieces + 1) * HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *base;
  long moved = 0;
  check("mmap", room != MAP_FAILED);
  base = mmap(room + (-(uintptr_t)room & (HUGE_BYTES - 1)), pieces * HUGE_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0);
  check("mmap", base != MAP_FAILED);
  for (uint64_t i = 0; i < pieces; i++) {
    (void)*(volatile char *)(base + i * HUGE_BYTES); // Linux 6.1 moves nothing of what is not mapped yet
    moved += madvise(base + i * HUGE_BYTES, HUGE_BYTES, MADV_COLLAPSE) == 0;
  }
  munmap(room, (pieces + 1) * HUGE_BYTES);
  return moved;
}

static int can_collapse(void)
{
  const off_t bytes = 3 << 20; // the second piece is not whole
  char setting[100] = "";
  FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "r");
  int own = memfd_create("own", MFD_CLOEXEC), is_there = file && fgets(setting, sizeof setting, file);
  if (file)
    fclose(file);
  check("memfd_create", own >= 0 && fallocate(own, 0, 0, bytes) == 0);
  if (!is_there || strstr(setting, "[always]") || strstr(setting, "[within_size]") || strstr(setting, "[force]"))
    say("not tried: files are in huge pages from the beginning, or never; errno is", errno);
  else if (collapse(own, bytes) != 2)
    say("not tried: the kernel moves no file into huge pages (MADV_COLLAPSE);", errno);
  else
    return 1;
  return 0;
}

static void await_answer(void)
{
  struct hsys_cqe completion;
  submit_ringing();
  check("the answer", ring_next(&client, &completion, ANSWER_MS) == 1);
}

static void move(int replaces)
{
  const off_t bytes = (off_t)client.geometry.utok_bytes;
  long moved;
  if (!can_collapse())
    return;
  if (replaces) {
    char first[HSYS_PAGE];
    memcpy(first, client.utok, sizeof first); // where the rings begin
    check("fallocate", fallocate(client.utok_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, bytes) == 0);
    memset(client.utok, 0, (size_t)bytes);
    memcpy(client.utok, first, sizeof first);
  }
  check("F_ADD_SEALS", fcntl(client.utok_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0);
  await_answer();
  moved = collapse(client.ktou_fd, client.geometry.ktou_bytes) + collapse(client.utok_fd, client.geometry.utok_bytes);
  await_answer();
  say("moved", moved);
}

int main(int argc, char **argv)
{
  if (argc < 3)
    return 2;
  if (strcmp(argv[2], "epoll") == 0) {
    hang_in_epoll(argv[1], (unsigned)atol(argv[3]), atol(argv[4]), argv[5]);
    return 0;
  }
  check("ring_connect", ring_connect(&client, argv[1], ANSWER_MS) == 0);
  check("ring_hello", ring_hello(&client, "waiting_client") == 0);
  client.leaves_unsealed = strcmp(argv[2], "takes-away") == 0 || strcmp(argv[2], "collapse") == 0;
  check("ring_open_channel", ring_open_channel(&client, 64, 4096, 0, client.leaves_unsealed ? HSYS_ARENA_BYTES_MAX / 4 : 0) == 0);
  if (strcmp(argv[2], "hangs") == 0)
    hang();
  else if (strcmp(argv[2], "takes-away") == 0)
    take_away();
  else if (strcmp(argv[2], "collapse") == 0)
    move(strcmp(argv[3], "replaced") == 0);
  else
    be_watched(atol(argv[3]));
  return 0;
}
