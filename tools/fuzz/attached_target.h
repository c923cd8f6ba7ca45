// SPDX-License-Identifier: GPL-3.0-or-later
// AttachedTarget: a running daemon behind its control socket. What can be seen from outside is watched: that it answers, that it stays, and
// what it holds, through STATS, which uid 0 and its own user may ask for. Several threads may use it, each its own Links and Peers.
#pragma once
#include "tools/fuzz/finding.h"
#include "tools/fuzz/target.h"
#include <atomic>

namespace httpsys::fuzz {

// Thrown by yield() and pass() of a target that has been stopped.
struct Stopped {};

// A control message without a body.
struct HeadAlone {
  hsys_control head;
};

class AttachedTarget final : public Target {
public:
  explicit AttachedTarget(std::string path);
  ~AttachedTarget();

  // Whether somebody is there; else why not, for exit status 3.
  bool reach(std::string &why);
  std::unique_ptr<Link> connect() override;
  std::unique_ptr<Peer> dial() override;
  uint16_t port() const override { return m_port; }
  void yield() override;
  void pass(uint64_t milliseconds) override;
  bool is_real() const override { return true; }

  // Whoever uses it from now on is stopped, on whatever thread.
  void stop() { m_is_stopped = true; }
  bool is_stopped() const { return m_is_stopped; }

  // Remembers what the daemon holds now. False: it does not tell this user.
  bool take_baseline();
  // Two seconds after the last session has ended: throws "leaked" for what stays above the baseline.
  void compare_with_baseline();

private:
  std::optional<hsys_control_stats> ask_for_stats();
  template <typename Choose>
  std::optional<hsys_control_stats> look(Choose choose);

  std::string m_path;
  uint16_t m_port = 0;
  std::atomic<bool> m_is_stopped{false};
  std::optional<hsys_control_stats> m_baseline;
};

}
