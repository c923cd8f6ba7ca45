// SPDX-License-Identifier: GPL-3.0-or-later
// Witness: a client that keeps to every rule while others do not: it serves a URL of its own and is asked over the network. Whatever the
// hostile ones do, its requests arrive whole, its answers too, and no byte of it turns up elsewhere.
#pragma once
#include "tools/fuzz/finding.h"
#include "tools/fuzz/ring_client.h"
#include "tools/fuzz/shapes.h"

namespace httpsys::fuzz {

class Witness {
public:
  // Attaches and registers its URL. Throws a Finding when the daemon does not let it. is_foreign: as a HostileClient's.
  Witness(Target &target, Identity identity, IsForeign is_foreign);

  const Identity &identity() const { return m_identity; }
  // One request and its answer.
  void check();

private:
  Completion call(uint8_t op, uint64_t handle, uint64_t object, const Block &block, uint32_t out_length = 0);
  uint64_t make(uint8_t op, uint64_t handle, uint64_t object, const Block &block);
  [[noreturn]] void complain(uint8_t op, uint32_t status, const std::string &reason);
  void submit(uint8_t op, uint64_t handle, uint64_t object, const Block &block, uint32_t out_length);
  std::string read_body(uint64_t request);
  template <typename Condition>
  void wait_for(const std::string &what, Condition condition);

  Target &m_target;
  Identity m_identity;
  RingClient m_client;
  uint64_t m_queue = 0;
  uint64_t m_last = 0; // user_data
  uint64_t m_asked = 0;
};

}
