// SPDX-License-Identifier: GPL-3.0-or-later
// Landlock (landlock(7)): what of the file system, of TCP and of other processes the calling thread, and those that it starts later, can
// reach. By its system calls: there is no library, and headers of Linux 6.1 know less than newer kernels do. At the start, on the first
// thread.
#pragma once
#include "kernel/base/result.h"
#include <climits>
#include <string>

namespace httpsys::platform {

// May open, read, write, make and remove files below the state folder; make, rename and remove sockets in the socket folder; read /proc.
// Nothing else with files, no TCP connection to others (ABI 4), no signal and no abstract socket of a process outside (ABI 6): as far as
// the kernel has it. Binding to ports stays free, since any port may be registered later. Yields the ABI; NotSupported: there is none.
// newest: as if the kernel had no later ABI. Who is not uid 0 needs no_new_privs before.
Result<int> enter_landlock(const std::string &state_folder, const std::string &socket_folder, std::string &reason, int newest = INT_MAX);
// What an ABI covers, for people.
std::string describe_landlock(int abi);

}
