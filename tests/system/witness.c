// SPDX-License-Identifier: GPL-3.0-or-later
// Linked to a worker: with HTTPSYS_WITNESS, the number of a socket of the test, each descriptor of memory that libhttpapi maps shared goes
// to the test. It is the same memory: what is in it when the worker is dead says what the worker had received. Nothing is called later.
#include "tests/system/witness.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOTES = 1 << 22 };

static void show(int descriptor)
{
  const char *number = getenv("HTTPSYS_WITNESS");
  if (!number)
    return;
  char byte = 0;
  struct iovec part = {&byte, 1};
  _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof descriptor)] = {0};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof descriptor);
  memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  if (sendmsg(atoi(number), &message, MSG_NOSIGNAL) != 1)
    abort();
}

// In place of libc's, also for libhttpapi.
__attribute__((visibility("default"))) void *mmap64(void *address, size_t size, int protection, int flags, int descriptor, off64_t offset)
{
  void *memory = (void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
  if (flags & MAP_SHARED && descriptor >= 0 && memory != MAP_FAILED)
    show(descriptor);
  return memory;
}

static struct witness_note *notes;

// Before main(), so that a channel without notes is one of a worker that makes none.
__attribute__((constructor)) static void make_notes(void)
{
  if (!getenv("HTTPSYS_WITNESS"))
    return;
  int descriptor = memfd_create("notes", MFD_CLOEXEC);
  if (descriptor < 0 || ftruncate(descriptor, NOTES * sizeof *notes) != 0)
    abort();
  notes = mmap64(NULL, NOTES * sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (notes == MAP_FAILED)
    abort();
  close(descriptor);
  notes->id = 1;
}

void witness_note(uint64_t id, const char *path, unsigned length)
{
  if (!notes)
    return;
  uint64_t at = __atomic_fetch_add(&notes->id, 1, __ATOMIC_RELAXED);
  if (at >= NOTES || length >= sizeof notes->path)
    abort();
  memcpy(notes[at].path, path, length);
  __atomic_store_n(&notes[at].id, id, __ATOMIC_RELEASE);
}
