// SPDX-License-Identifier: GPL-3.0-or-later
// Work in a child process that may die or hang, watched by its progress.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace httpsys::fuzz {

// Memory that both have, all zeros at first; unmapped at its end. Throws std::bad_alloc.
class SharedBytes {
public:
  explicit SharedBytes(size_t bytes);
  ~SharedBytes();
  SharedBytes(const SharedBytes &) = delete;
  void *data() const { return m_data; }

private:
  size_t m_bytes;
  void *m_data;
};

// Runs work in a child, which exits with 0 behind it. progress lies in shared memory: when it does not change for long, the child is
// killed. Returns what waitpid() says; nullopt: it stood still. Throws std::system_error when the system starts no process.
std::optional<int> run_in_child(const uint64_t &progress, const std::function<void()> &work);
// "ended by signal 6 (Aborted)", "exited with 1", "stood still"
std::string describe_end(std::optional<int> status);

}
