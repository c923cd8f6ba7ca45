// SPDX-License-Identifier: GPL-3.0-or-later
// WaitingOutput: bytes of results that wait for a block of their channel, counted for the process and for the user whose channels these
// are, and for all, on whatever cores. WaitingOutputs makes them, on core 0; a channel counts in its own on its core.
#pragma once
#include "kernel/se/quota.h"
#include <array>
#include <atomic>
#include <map>
#include <memory>

namespace httpsys::io {

class WaitingOutput {
public:
  using Total = std::atomic<uint64_t>;
  WaitingOutput() = default; // of a client of its own
  WaitingOutput(std::shared_ptr<Total> all, std::shared_ptr<Total> user, std::shared_ptr<Total> process)
      : m_all(std::move(all)), m_user(std::move(user)), m_process(std::move(process))
  {
  }

  // nullptr: taken; else the key of [clients] that forbids it, and nothing is taken. Whatever the shares say, one process has a quarter of
  // the total at most, and one user half of what the other users leave, so that there is always some left for who comes next, and who has
  // most is refused first. One block a process has in any case.
  const char *take(uint64_t bytes, uint64_t *most = nullptr); // most: how many it allows
  void give(uint64_t bytes);
  // For the simulator: what is counted, and others may count in: of all, of the user, of the process.
  std::array<const Total *, 3> totals() const { return {m_all.get(), m_user.get(), m_process.get()}; }

private:
  uint64_t of_others() const;

  std::shared_ptr<Total> m_all = std::make_shared<Total>(0), m_user = std::make_shared<Total>(0), m_process = std::make_shared<Total>(0);
};

class WaitingOutputs {
public:
  // For a new channel. What nobody has any more is forgotten with the next call.
  WaitingOutput of(const se::Client &client);

private:
  std::shared_ptr<WaitingOutput::Total> m_all = std::make_shared<WaitingOutput::Total>(0);
  std::map<uint32_t, std::weak_ptr<WaitingOutput::Total>> m_users;
  std::map<uint64_t, std::weak_ptr<WaitingOutput::Total>> m_processes;
};

}
