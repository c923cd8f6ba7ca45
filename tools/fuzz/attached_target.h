// SPDX-License-Identifier: GPL-3.0-or-later
// AttachedTarget: a running daemon behind its control socket. Several threads may use it, each its own Links and Peers.
#pragma once
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

  // Null: nobody is there, with the reason. Throws Hindered, as dial() does, when this program gets no more sockets.
  std::unique_ptr<Link> reach(std::string &why);
  std::unique_ptr<Link> connect() override;
  std::unique_ptr<Peer> dial() override;
  uint16_t port() const override { return m_port; }
  void yield() override;
  void pass(uint64_t milliseconds) override;
  bool is_real() const override { return true; }

  // Whoever uses it from now on is stopped, on whatever thread.
  void stop() { m_is_stopped = true; }
  bool is_stopped() const { return m_is_stopped; }

private:
  std::string m_path;
  uint16_t m_port = 0;
  std::atomic<bool> m_is_stopped{false};
};

}
