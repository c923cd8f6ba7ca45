// SPDX-License-Identifier: GPL-3.0-or-later
// What a client may and may not do with the descriptors of its channel (trust rules T1, T9; design-anchors A.16). The
// client is a child process, as in life.
#include "kernel/mm/shared_region.h"
#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::mm;

namespace {

constexpr uint64_t kBytes = 65536;

// Runs the attack in a child that has nothing but a descriptor received over a socket. It may return any small number.
int in_client(int descriptor, int (*attack)(int descriptor))
{
  int sockets[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0);
  pid_t child = fork();
  REQUIRE(child >= 0);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte = 0;
  iovec vector{&byte, 1};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (child == 0) {
    close(descriptor);
    int received = -1;
    if (recvmsg(sockets[1], &message, 0) == 1)
      std::memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
    _exit(received < 0 ? 200 : attack(received));
  }
  cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  REQUIRE(sendmsg(sockets[0], &message, 0) == 1);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  close(sockets[0]);
  close(sockets[1]);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

void *map(int descriptor, int protection)
{
  void *base = mmap(nullptr, kBytes, protection, MAP_SHARED, descriptor, 0);
  return base == MAP_FAILED ? nullptr : base;
}

int map_readable(int descriptor)
{
  auto *base = static_cast<uint8_t *>(map(descriptor, PROT_READ));
  return base && base[kBytes - 1] == 0x5a;
}
int map_writable(int descriptor)
{
  return map(descriptor, PROT_READ | PROT_WRITE) != nullptr;
}
int protect_writable(int descriptor)
{
  void *base = map(descriptor, PROT_READ);
  return !base ? 100 : mprotect(base, kBytes, PROT_READ | PROT_WRITE) == 0;
}
int write_at(int descriptor)
{
  return pwrite(descriptor, "x", 1, 0) == 1;
}
int punch_hole(int descriptor)
{
  return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
}
int zero_range(int descriptor)
{
  return fallocate(descriptor, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
}
int remove_pages(int descriptor)
{
  void *base = map(descriptor, PROT_READ | PROT_WRITE);
  return base && madvise(base, 4096, MADV_REMOVE) == 0;
}
int shrink(int descriptor)
{
  return ftruncate(descriptor, 4096) == 0;
}
int grow(int descriptor)
{
  return ftruncate(descriptor, 2 * kBytes) == 0 || fallocate(descriptor, 0, 0, 2 * kBytes) == 0;
}
int reopen_and_map(int descriptor)
{
  std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  int again = open(path.c_str(), O_RDWR);
  return again >= 0 && (map_writable(again) || write_at(again) || shrink(again));
}
int add_seals(int descriptor)
{
  return fcntl(descriptor, F_ADD_SEALS, F_SEAL_WRITE) == 0;
}
int make_executable(int descriptor)
{
  return fchmod(descriptor, 0755) == 0;
}

struct Attack {
  const char *name;
  int (*run)(int descriptor);
  bool on_ktou, on_utok, on_sealed_utok; // whether it works there
};
constexpr Attack kAttacks[] = {
  {"map readable", map_readable, true, false, false}, // utok has no 0x5a
  {"map writable", map_writable, false, true, false},
  {"mprotect to writable", protect_writable, false, true, false},
  {"pwrite", write_at, false, true, false},
  {"punch a hole", punch_hole, false, true, false},
  {"zero a range", zero_range, false, false, false},
  {"remove pages of a mapping", remove_pages, false, true, false},
  {"shrink", shrink, false, false, false},
  {"grow", grow, false, false, false},
  {"add seals", add_seals, false, false, false},
};

}

TEST_CASE("a client can read ktou and nothing else, and cannot resize either half")
{
  auto ktou = SharedRegion::create("test-ktou", kBytes, SharedRegion::Writer::Daemon);
  auto utok = SharedRegion::create("test-utok", kBytes, SharedRegion::Writer::Client);
  auto sealed = SharedRegion::create("test-sealed", kBytes, SharedRegion::Writer::Client);
  REQUIRE(ktou);
  REQUIRE(utok);
  REQUIRE(sealed);
  CHECK_FALSE((*sealed)->is_sealed_by_client());
  void *own = map((*sealed)->descriptor(), PROT_READ | PROT_WRITE);
  REQUIRE(own);
  REQUIRE(fcntl((*sealed)->descriptor(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
  CHECK_FALSE((*sealed)->is_sealed_by_client());
  REQUIRE(fcntl((*sealed)->descriptor(), F_ADD_SEALS, F_SEAL_SEAL) == 0);
  CHECK((*sealed)->is_sealed_by_client());
  std::memset((*ktou)->daemon_bytes().data(), 0x5a, kBytes);
  for (auto &attack : kAttacks) {
    CAPTURE(attack.name);
    CHECK(in_client((*ktou)->descriptor(), attack.run) == attack.on_ktou);
    CHECK(in_client((*utok)->descriptor(), attack.run) == attack.on_utok);
    CHECK(in_client((*sealed)->descriptor(), attack.run) == attack.on_sealed_utok);
  }
  // What the client has mapped before it goes on writing through, and nobody can take from under it.
  static_cast<uint8_t *>(own)[kBytes - 1] = 0x5a;
  CHECK(in_client((*sealed)->descriptor(), map_readable) == 1);
  CHECK(madvise(own, 4096, MADV_REMOVE) != 0);
  munmap(own, kBytes);
  CHECK(in_client((*ktou)->descriptor(), reopen_and_map) == 0);
  // The daemon's own mapping stays writable.
  (*ktou)->daemon_bytes()[0] = 1;
  CHECK(in_client((*ktou)->descriptor(), map_readable) == 1);
}

namespace {

constexpr uint64_t kHugeBytes = 2 << 20;

// So many pieces of that file the kernel has moved into huge pages. They need not end where the file does.
int collapse(int descriptor, uint64_t bytes)
{
  constexpr int kCollapse = 25; // MADV_COLLAPSE, Linux 6.1
  const uint64_t pieces = (bytes + kHugeBytes - 1) / kHugeBytes;
  void *room = mmap(nullptr, (pieces + 1) * kHugeBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(room != MAP_FAILED);
  auto *base = static_cast<uint8_t *>(room) + (-reinterpret_cast<uintptr_t>(room) & (kHugeBytes - 1));
  REQUIRE(mmap(base, pieces * kHugeBytes, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, 0) == base);
  int moved = 0;
  for (uint64_t i = 0; i < pieces; i++)
    moved += madvise(base + i * kHugeBytes, kHugeBytes, kCollapse) == 0;
  munmap(room, (pieces + 1) * kHugeBytes);
  return moved;
}

int next_descriptor()
{
  const int descriptor = dup(0);
  close(descriptor);
  return descriptor;
}

}

TEST_CASE("nobody can have the pages of a pinned region moved (trust rule T7)")
{
  const int first = next_descriptor();
  // A channel can be that large. The last piece is not whole.
  for (uint64_t bytes : {uint64_t{4096}, kHugeBytes, 2 * kHugeBytes + kBytes, 129 * kHugeBytes - kBytes}) {
    CAPTURE(bytes);
    const auto pieces = static_cast<int>((bytes + kHugeBytes - 1) / kHugeBytes);
    auto ktou = SharedRegion::create("test-ktou", bytes, SharedRegion::Writer::Daemon);
    auto utok = SharedRegion::create("test-utok", bytes, SharedRegion::Writer::Client);
    auto other = SharedRegion::create("test-other", bytes, SharedRegion::Writer::Client);
    REQUIRE(ktou);
    REQUIRE(utok);
    REQUIRE(other);
    REQUIRE((*utok)->pin());
    CHECK(collapse((*ktou)->descriptor(), bytes) == 0);
    CHECK(collapse((*utok)->descriptor(), bytes) == 0);
    if (collapse((*other)->descriptor(), bytes) != pieces)
      MESSAGE("the kernel moves no pages (MADV_COLLAPSE): this shows nothing");
  }
  CHECK(next_descriptor() == first);
}

TEST_CASE("what a client has taken out of its half is there again when that is pinned: no touch of a core allocates")
{
  auto utok = SharedRegion::create("test-utok", 3 * kHugeBytes, SharedRegion::Writer::Client);
  REQUIRE(utok);
  const int file = (*utok)->descriptor();
  auto bytes = [&] {
    struct stat facts{};
    REQUIRE(fstat(file, &facts) == 0);
    return static_cast<uint64_t>(facts.st_blocks) * 512;
  };
  const uint64_t before = bytes();
  REQUIRE(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kBytes, 2 * kHugeBytes) == 0);
  CHECK(bytes() < before);
  CHECK((*utok)->pin());
  CHECK(bytes() == before);
  CHECK(collapse(file, 3 * kHugeBytes) == 0);
}

TEST_CASE("what a client has taken out and put back in its half is pinned, too")
{
  auto utok = SharedRegion::create("test-utok", 3 * kHugeBytes, SharedRegion::Writer::Client);
  REQUIRE(utok);
  const int file = (*utok)->descriptor();
  REQUIRE(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 3 * kHugeBytes) == 0);
  REQUIRE(fallocate(file, 0, 0, 3 * kHugeBytes) == 0); // not written yet: to a read, and to splice, these are holes
  CHECK((*utok)->pin());
  CHECK(collapse(file, 3 * kHugeBytes) == 0);
}

TEST_CASE("a region that cannot be pinned for want of descriptors is not made")
{
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit less{static_cast<rlim_t>(next_descriptor()) + 2, before.rlim_max}; // the file's, and one of a pipe's two
  REQUIRE(setrlimit(RLIMIT_NOFILE, &less) == 0);
  auto ktou = SharedRegion::create("test-ktou", kBytes, SharedRegion::Writer::Daemon);
  auto utok = SharedRegion::create("test-utok", kBytes, SharedRegion::Writer::Client);
  auto pinned = utok ? (*utok)->pin() : Result<void>{};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(ktou.error() == NtStatus::TooManyOpenedFiles);
  REQUIRE(utok);
  CHECK(pinned.error() == NtStatus::TooManyOpenedFiles);
  CHECK((*utok)->pin());
}

TEST_CASE("both halves are closed on exec, and cannot be made executable where the kernel knows how")
{
  auto region = SharedRegion::create("test-flags", kBytes, SharedRegion::Writer::Client);
  REQUIRE(region);
  int descriptor = (*region)->descriptor();
  CHECK(fcntl(descriptor, F_GETFD) == FD_CLOEXEC);
  int seals = fcntl(descriptor, F_GET_SEALS);
  CHECK((seals & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW));
  if (seals & 0x20) // F_SEAL_EXEC, Linux 6.3
    CHECK(in_client(descriptor, make_executable) == 0);
}

TEST_CASE("a region is not inherited by a child of the daemon")
{
  auto region = SharedRegion::create("test-fork", kBytes, SharedRegion::Writer::Daemon);
  REQUIRE(region);
  uint8_t *base = (*region)->daemon_bytes().data();
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    unsigned char resident[kBytes / 4096];
    _exit(mincore(base, kBytes, resident) == 0 ? 1 : errno == ENOMEM ? 0 : 2);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("the start-up self-test passes on a kernel that can run the daemon")
{
  CHECK(SharedRegion::self_test());
}
