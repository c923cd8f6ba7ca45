// SPDX-License-Identifier: GPL-3.0-or-later
// What the process is and uses. Any thread; reads of /proc cost a few system calls, so not for hot paths.
#pragma once
#include <cstdint>
#include <string>

namespace httpsys::platform {

uint32_t process_id();
uint32_t user_id(); // effective
// CPUs that the process may run on, at least 1.
uint32_t usable_cpus();
// Of this process; 0 when /proc does not tell.
uint64_t open_descriptors();
uint64_t resident_bytes();
// Bytes that the process may come to have: of the machine, or of its control group (version 2) where that is less.
uint64_t memory_limit();
// "/a/b" of "/a/b/c", "." of "c".
std::string parent_folder(const std::string &path);

}
