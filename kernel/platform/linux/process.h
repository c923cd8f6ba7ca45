// SPDX-License-Identifier: GPL-3.0-or-later
// What the daemon does to itself and its folders when it starts and ends. Called by main/ on the first thread, before
// any core runs. On failure reason is a sentence for stderr.
#pragma once
#include "kernel/base/result.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace httpsys::platform {

// A path that no socket address can hold is refused by name (design.md 6).
Result<void> check_socket_path(const std::string &path, std::string &reason);
// Makes the folder and its missing parents (those 0755), each safe on disk; one that the disk does not take for sure is gone again.
// A folder that exists stays as it is.
Result<void> make_folder(const std::string &path, uint32_t mode, std::string &reason);
// Takes SOCKET.lock, by flock, for as long as the returned descriptor is open, and writes our pid into it.
// SharingViolation: another daemon has it, and reason names its pid.
Result<int> lock_socket(const std::string &socket_path, std::string &reason);
// Gives the socket of System::listen_control its name: from now on clients can connect. A stale socket is replaced,
// anything else of that name is refused.
Result<void> publish_control_socket(const std::string &path, std::string &reason);
// Removes the name again, and a temporary one that was never published. The lock must still be held.
void remove_control_socket(const std::string &path);

// SIGTERM, SIGINT and, unless whoever started us ignores it (nohup), SIGHUP as a pollable descriptor; blocks them in this thread and those
// that it starts.
Result<int> make_signal_descriptor(std::string &reason);
// The next signal that has come, never blocks.
std::optional<int> take_signal(int signal_descriptor);

// All of the text, however long that takes; what can't be written is given up.
void write_whole(int descriptor, std::string_view text);

// A socket that is connected to NOTIFY_SOCKET, so that telling needs no name later; -1 when the environment has none, or nobody listens,
// which the log says.
int connect_service_manager();
// sd_notify(3): "READY=1", "STOPPING=1". No effect with -1. Never waits: a manager that does not read is not told, and the log says so.
void notify_service_manager(int manager, const std::string &state);
// Raises the number of descriptors to the hard limit; returns what holds now.
uint64_t raise_descriptor_limit();
// Memory that may be locked: all of it where the process may say so, else up to the hard limit. Rings count too once CAP_IPC_LOCK is gone.
void raise_lock_limit();
// No core file, no ptrace by our own uid: the memory holds private keys (trust rule T11).
void make_undumpable();
// From now on an allocation for which there is no memory ends the process with a line on stderr that says so. What clients can make it
// allocate has bounds; beyond them there is nobody to refuse.
void end_without_memory();

}
