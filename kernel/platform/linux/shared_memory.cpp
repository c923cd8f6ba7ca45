// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/shared_memory.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/rest.h"
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u // Linux 6.3
#endif

namespace httpsys::platform {

// ENOSPC is tmpfs' word for memory.
static NtStatus status_of(int error)
{
  return error == ENOSPC ? NtStatus::NoMemory : status_from_errno(error);
}

static int create_memfd(const char *name)
{
  // Without NOEXEC_SEAL kernels since 6.3 warn, and with vm.memfd_noexec=2 refuse; kernels before it answer EINVAL.
  int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (descriptor < 0 && errno == EINVAL)
    descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return descriptor;
}

// No new writable mapping, no write() and no hole; and no more seals.
constexpr int kNoWritersFromNow = F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

// function(from, length) until it is false; whether it never was. For each piece of a mapping the kernel holds the lock of the address
// space, which a core needs to lock a control message's memory. The pause lets it have that: a lock that is taken again at once goes to
// who waits after 4 ms only.
template <typename F>
static bool for_each_piece(uint64_t bytes, F function)
{
  for (uint64_t done = 0; done < bytes; done += limits::kMappedPieceBytes) {
    if (done > 0) {
      usleep(limits::kMappedPieceMicroseconds);
      rest();
    }
    if (!function(done, std::min(limits::kMappedPieceBytes, bytes - done)))
      return false;
  }
  return true;
}

static void unmap_region(void *base, uint64_t bytes)
{
  for_each_piece(bytes, [base](uint64_t from, uint64_t length) {
    munmap(static_cast<uint8_t *>(base) + from, length);
    return true;
  });
}

static void *map_region(int descriptor, uint64_t bytes, SharedWriter writer)
{
  // The daemon never writes what its client writes, and a read-only mapping keeps it so.
  int protection = writer == SharedWriter::Daemon ? PROT_READ | PROT_WRITE : PROT_READ;
  void *base = mmap(nullptr, bytes, protection, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED)
    return nullptr;
  for_each_piece(bytes, [base](uint64_t from, uint64_t length) {
    madvise(static_cast<uint8_t *>(base) + from, length, MADV_POPULATE_READ);
    return true;
  });
  // Best effort: requests of strangers do not belong into core files, nor into a child.
  madvise(base, bytes, MADV_DONTDUMP);
  madvise(base, bytes, MADV_DONTFORK);
  return base;
}

// Now: populating the mapping would not say that there are none, and a later touch would be SIGBUS.
static bool take_pages(int descriptor, uint64_t bytes)
{
  return for_each_piece(bytes, [descriptor](uint64_t from, uint64_t length) {
    return fallocate(descriptor, 0, static_cast<off_t>(from), static_cast<off_t>(length)) == 0;
  });
}

Result<SharedMemory> create_shared_memory(const char *name, uint64_t bytes, SharedWriter writer, std::span<const uint8_t> contents)
{
  VERIFY(bytes > 0 && bytes % shared_page_bytes() == 0 && contents.size() <= bytes);
  int descriptor = create_memfd(name);
  if (descriptor < 0)
    return status_of(errno);
  if (ftruncate(descriptor, static_cast<off_t>(bytes)) != 0 || !take_pages(descriptor, bytes) ||
      pwrite(descriptor, contents.data(), contents.size(), 0) != static_cast<ssize_t>(contents.size())) {
    NtStatus status = status_of(errno);
    ::close(descriptor);
    return status;
  }
  void *base = map_region(descriptor, bytes, writer);
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | (writer == SharedWriter::Daemon ? kNoWritersFromNow : 0);
  // The seal comes after the mapping: writable mappings that exist stay, no new one can be made.
  if (!base || fcntl(descriptor, F_ADD_SEALS, seals) != 0) {
    NtStatus status = base ? status_of(errno) : NtStatus::NoMemory;
    if (base)
      unmap_region(base, bytes);
    ::close(descriptor);
    return status;
  }
  return SharedMemory{descriptor, static_cast<uint8_t *>(base), bytes};
}

// The client seals, not we: that waits for the lock of the file, which a client can hold.
bool is_sealed_by_client(const SharedMemory &memory)
{
  const int seals = fcntl(memory.descriptor, F_GET_SEALS);
  return seals >= 0 && (seals & kNoWritersFromNow) == kNoWritersFromNow;
}

// Pages that are being moved are locked, for as long as the client's thread takes. Whoever waits for one by way of the mapping holds the
// lock of the address space meanwhile, for which cores wait; by way of the file he holds none.
static void await_pages(int descriptor, uint64_t from, uint64_t length)
{
  char byte;
  for (uint64_t page = from; page < from + length; page += shared_page_bytes())
    (void)!pread(descriptor, &byte, 1, static_cast<off_t>(page));
}

constexpr uint64_t kMovedTogether = 2 << 20; // from such a place in the file, also beyond its end; on some machines more
static_assert(limits::kMappedPieceBytes == kMovedTogether);

// A page of which there is another reference makes the kernel leave all that it would have to move together, before it locks one of them;
// it looks at the first one first. A pipe refers to what it is given until its last end is closed.
class PinPipe {
public:
  explicit PinPipe(uint64_t bytes)
  {
    const uint64_t pages = (bytes + kMovedTogether - 1) / kMovedTogether;
    if (pipe2(m_ends, O_CLOEXEC) != 0)
      m_error = errno;
    // A user's pipes have 16384 places (fs.pipe-user-pages-soft), then two each, as many as half a channel of the default size needs.
    else if (fcntl(m_ends[1], F_SETPIPE_SZ, static_cast<int>(pages * shared_page_bytes())) < 0)
      m_error = errno;
  }
  PinPipe(const PinPipe &) = delete;
  ~PinPipe()
  {
    if (m_ends[1] >= 0)
      ::close(m_ends[1]);
  }
  int end() const { return m_ends[0]; }  // its user's, who closes it; -1: there is none
  int error() const { return m_error; } // 0, or why not everything is pinned
  // What is moved together with this page, the first of that.
  void pin(uint8_t *page)
  {
    const iovec first{page, 1};
    if (vmsplice(m_ends[1], &first, 1, SPLICE_F_NONBLOCK) < 0 && m_error == 0)
      m_error = errno;
  }

private:
  int m_ends[2] = {-1, -1};
  int m_error = 0;
};

Result<void> pin_shared_memory(SharedMemory &memory, SharedWriter writer)
{
  static std::atomic<bool> s_is_said = false;
  VERIFY(memory.pin < 0);
  PinPipe pipe(memory.bytes);
  memory.pin = pipe.end();
  // A client may have taken pages of its half away while it could, and may be having them moved: nobody begins that any more once the first
  // one is pinned.
  const bool has_all = for_each_piece(memory.bytes, [&](uint64_t from, uint64_t length) {
    if (writer == SharedWriter::Client)
      await_pages(memory.descriptor, from, shared_page_bytes());
    pipe.pin(memory.base + from);
    if (writer == SharedWriter::Client)
      await_pages(memory.descriptor, from, length);
    return madvise(memory.base + from, length, MADV_POPULATE_READ) == 0;
  });
  if (!has_all)
    return NtStatus::NoMemory;
  if (pipe.error() == EMFILE)
    return NtStatus::TooManyOpenedFiles;
  if (pipe.error() && !s_is_said.exchange(true))
    log("clients can make this process wait for memory that they share with it: not all of it can be kept in its place ({}; "
        "fs.pipe-user-pages-soft)", std::strerror(pipe.error()));
  return {};
}

void release_shared_memory(const SharedMemory &memory)
{
  if (memory.pin >= 0)
    ::close(memory.pin); // nobody else has it, so that does not wait
  unmap_region(memory.base, memory.bytes);
  ::close(memory.descriptor);
}

uint64_t shared_page_bytes()
{
  return static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

static bool can_map_writable(int descriptor, size_t bytes)
{
  void *base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (base != MAP_FAILED)
    munmap(base, bytes);
  return base != MAP_FAILED;
}

static bool can_become_writable(int descriptor, size_t bytes)
{
  void *base = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED)
    return false;
  bool writable = mprotect(base, bytes, PROT_READ | PROT_WRITE) == 0;
  munmap(base, bytes);
  return writable;
}

static bool can_reopen_writable(int descriptor, size_t bytes)
{
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  int reopened = open(path, O_RDWR | O_CLOEXEC);
  if (reopened < 0)
    return false;
  bool writable = can_map_writable(reopened, bytes) || pwrite(reopened, "x", 1, 0) == 1;
  ::close(reopened);
  return writable;
}

bool client_can_change(const SharedMemory &memory, SharedWriter writer)
{
  const auto size = static_cast<off_t>(memory.bytes);
  bool broken = ftruncate(memory.descriptor, 0) == 0 || ftruncate(memory.descriptor, 2 * size) == 0;
  if (writer == SharedWriter::Client)
    return broken;
  broken = broken || can_map_writable(memory.descriptor, memory.bytes) || can_become_writable(memory.descriptor, memory.bytes);
  broken = broken || can_reopen_writable(memory.descriptor, memory.bytes) || pwrite(memory.descriptor, "x", 1, 0) == 1;
  return broken || fallocate(memory.descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size) == 0;
}

}
