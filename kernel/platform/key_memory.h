// SPDX-License-Identifier: GPL-3.0-or-later
// Memory for private keys in use: one range of addresses between two pages that nobody may touch, locked, left out of core files and
// of children, wiped when a key is freed. Any thread; lives as long as the process, and is never given back to the system. What is in it is
// bounded by the configuration and the number of threads, never by clients: kernel/tls keeps here the key of each context, and the
// parsed copy of it that a thread has while it signs.
#pragma once
#include <cstddef>

namespace httpsys::platform {

struct KeyMemoryRange {
  const char *begin, *end;
};

// Where all of it lies. Reserves the addresses when it is called first.
KeyMemoryRange key_memory_range();
// Takes the first piece, so that the first keys have a place. 0, or the errno that tells why it is not locked.
int prepare_key_memory();
// Null when kKeyMemoryBytes are taken, or for more than kKeyMemoryPiece. Where the system locks no more, memory that is not locked, and the
// log says so once: a key that may be swapped out is better than a daemon that cannot serve.
void *allocate_key_memory(size_t bytes);
// Wiped first. memory: from allocate_key_memory.
void free_key_memory(void *memory);
// Bytes that are usable there.
size_t key_memory_size(const void *memory);

}
