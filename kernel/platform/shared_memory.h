// SPDX-License-Identifier: GPL-3.0-or-later
// Memory shared with a client process, as the operating system gives it; mm/shared_region owns it. Any thread; making
// it is slow, because all its pages are taken at once.
#pragma once
#include "kernel/base/result.h"
#include <cstdint>
#include <span>

namespace httpsys::platform {

enum class SharedWriter { Daemon, Client };

struct SharedMemory {
  int descriptor = -1; // CLOEXEC, to be handed to the client
  uint8_t *base = nullptr;
  uint64_t bytes = 0;
  int pin = -1; // what keeps pages where they are
};

// A whole number of pages that begin with `contents` and are otherwise zero, populated; its size can never change.
// Daemon: mapped writable here, nobody can ever map it writable again (or write, or remove pages). Client: mapped
// read-only here, and the client is to seal it likewise when it has mapped it. Not in core files, not in children.
// NoMemory, TooManyOpenedFiles.
Result<SharedMemory> create_shared_memory(const char *name, uint64_t bytes, SharedWriter writer, std::span<const uint8_t> contents);
// Of the client's: whether nobody can remove pages any more, for good. While that goes on whoever touches the memory waits. Never waits.
bool is_sealed_by_client(const SharedMemory &memory);
// From now on the kernel does not move its pages, all at a time and locked, into larger ones because a client wants that (MADV_COLLAPSE).
// Where the kernel refuses, which is said once in the log, it may. Not of memory of which a client can still remove pages. Can wait for
// such a client: not on a core. TooManyOpenedFiles. NoMemory: pages that a client had removed cannot be had again, and no touch is safe.
Result<void> pin_shared_memory(SharedMemory &memory, SharedWriter writer);
void release_shared_memory(const SharedMemory &memory);
uint64_t shared_page_bytes();

// What a client could do with a descriptor of that kind, tried out: true when it can change what it must not.
bool client_can_change(const SharedMemory &memory, SharedWriter writer);

}
