// SPDX-License-Identifier: GPL-3.0-or-later
// Run: steps done by hostile clients to a daemon that serves an honest one all the while. Everything that it sees wrong is thrown as a
// Finding. The same steps on a simulated daemon of the same seed do the same.
#pragma once
#include "tools/fuzz/hostile_client.h"
#include "tools/fuzz/marks.h"
#include "tools/fuzz/witness.h"
#include <chrono>

namespace httpsys::fuzz {

class Run {
public:
  // name: of this run, so that several on one daemon have different URLs.
  Run(Target &target, std::string name, Counts &counts, Marks &marks);

  void step(const Step &step);
  // Of each client: nothing but a new connection is of use.
  std::array<bool, kClients> cut_off() const;
  // Nobody is hostile any more: every peer leaves, what honest clients have begun must end, the witness is served once more, all leave.
  void finish();

private:
  struct Visitor {
    std::unique_ptr<Peer> peer;
    std::string mark;        // of whom it has asked
    std::string end_of_last; // of what has come, in which a mark may have begun
  };
  // Of a client that has to be cut off.
  struct Grace {
    unsigned turns = 0;
    std::chrono::steady_clock::time_point since{};
  };
  Identity new_identity(const std::string &who);
  void connect(uint8_t client);
  void disconnect(std::unique_ptr<HostileClient> &client);
  void leave(std::unique_ptr<HostileClient> client, uint64_t how);
  void look_at_leaver();
  void web(const Step &step);
  void look_at_visitors();
  bool demand_ends();
  bool is_over(Grace &grace) const;
  void settle(HostileClient &client);

  Target &m_target;
  std::string m_name;
  Counts &m_counts;
  Marks &m_marks;
  uint64_t m_identities = 0;
  std::unique_ptr<Witness> m_witness;
  std::array<std::unique_ptr<HostileClient>, kClients> m_clients;
  std::vector<Visitor> m_visitors;
  std::vector<uint64_t> m_known_to_all;
  std::array<Grace, kClients> m_grace{};
  // Whose connection is half closed, or another descriptor of it open. One at a time.
  struct Leaver {
    std::unique_ptr<HostileClient> client;
    Leave how = Leave::Close;
    unsigned steps = 0;
    Grace grace{};
  };
  Leaver m_leaver;
  uint64_t m_steps = 0;
};

}
