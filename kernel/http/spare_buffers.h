// SPDX-License-Identifier: GPL-3.0-or-later
// Spare buffers: a connection whose large buffer is empty gives it up, for idle connections are many, and the next response or upload on
// that core takes it: else every one of them would be memory that the system takes away, clears and hands out again. Of the current core.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace httpsys::http {

// Takes its contents away and keeps its memory, or frees it when enough is kept: limits::kSpareBufferBytes, or an eighth of the core's part
// of ConnectionBufferBytesTotal, and nothing while connections keep more than that part.
void keep_spare(std::vector<uint8_t> &buffer);
// An empty one with room for so many bytes, or one without memory.
std::vector<uint8_t> take_spare(size_t bytes);
// When the last connection of the core has ended, or connections keep too much.
void free_spares();
// What they have room for, bytes.
size_t spare_bytes();

}
