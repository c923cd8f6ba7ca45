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
// Bytes that the process may come to have: of the machine, or, where that is less, of RLIMIT_AS or of a control group that it is in.
uint64_t memory_limit();
// For it. list: like /proc/self/cgroup; mounts: like /sys/fs/cgroup. The smallest limit of a group and all above it, version 2 (where the
// kernel makes a process wait, too) or 1; UINT64_MAX where there is none.
uint64_t control_group_limit(const std::string &list, const std::string &mounts);
// "/a/b" of "/a/b/c", "." of "c".
std::string parent_folder(const std::string &path);

}
