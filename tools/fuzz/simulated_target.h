// SPDX-License-Identifier: GPL-3.0-or-later
// SimulatedTarget: the whole daemon but its process and its files, in this process, on the simulated platform, its cores stepped by
// yield() in an order that the seed decides. Real shared memory. One at a time; its end ends the daemon and finds what is left over.
#pragma once
#include "kernel/ke/core.h"
#include "kernel/platform/sim/sim_engine.h"
#include "kernel/tls/binding_table.h"
#include "tools/fuzz/finding.h"
#include "tools/fuzz/target.h"
#include <functional>

namespace httpsys::fuzz {

class SimulatedTarget final : public Target {
public:
  SimulatedTarget(uint64_t seed, uint32_t cores);
  ~SimulatedTarget();

  std::unique_ptr<Link> connect() override;
  std::unique_ptr<Link> connect_as(const platform::PeerCredentials &who);
  // Of whom connect() makes the next client; null: all are one process.
  std::function<platform::PeerCredentials()> next_person;
  std::unique_ptr<Peer> dial() override;
  uint16_t port() const override { return 8080; }
  void yield() override;
  void pass(uint64_t milliseconds) override;
  bool is_real() const override { return false; }

  platform::SimSystem &system() { return m_system; }
  // One turn of a core's loop; whether it did something. Throws "unbounded".
  bool turn(ke::CoreId core);
  // Of all cores.
  void set_tls_bindings(RefPtr<tls::BindingTable> table);
  // Until nothing happens any more. Throws "hung" when that does not come.
  void run();
  // Every Peer has left, and clients stay: nothing of those is left.
  void require_no_visitors();
  // Ends the daemon; throws "leaked" for what is left of it. No Link or Peer may be left.
  void end();

private:
  platform::SimSystem m_system;
  std::unique_ptr<ke::Cores> m_cores;
  uint32_t m_count;
  uint64_t m_turns = 0;
  uint16_t m_client_port = 40000;
};

}
