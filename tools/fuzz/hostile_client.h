// SPDX-License-Identifier: GPL-3.0-or-later
// HostileClient: one client process of a run: does what steps say, remembers what the daemon has told it, and watches over what the daemon
// owes even to such a client: each completion once, for an operation that it has begun, and no byte that belongs to somebody else.
#pragma once
#include "tools/fuzz/finding.h"
#include "tools/fuzz/ring_client.h"
#include "tools/fuzz/shapes.h"
#include "tools/fuzz/step.h"
#include <map>
#include <set>

namespace httpsys::fuzz {

class HostileClient {
public:
  // is_foreign: tells of others' marks, which are a finding in anything that this one gets.
  // known_to_all: ids of requests that any client has received. most_operations: that its channel may be asked for.
  HostileClient(Identity identity, std::unique_ptr<Link> link, IsForeign is_foreign, std::vector<uint64_t> &known_to_all, Counts &counts,
                uint32_t most_operations);

  const Identity &identity() const { return m_identity; }
  bool has_ended();
  // It does no more steps. Kicks go on until its connection ends, too.
  void leave(Leave how) { m_client.link().leave(how); }
  void kick()
  {
    if (m_client.is_open())
      m_client.link().kick(1);
  }
  // In all that it can read of its channel.
  void look_for_others() { m_client.look_for_others(); }
  void run(const Step &step);
  // For the end of a run, when it is open and has only done what the ring allows: cancel_all() and collect() until nothing is owed.
  bool is_honest() const { return m_is_honest && m_client.is_open() && m_client.revoked() == 0; }
  void cancel_all();
  void collect();
  // Has broken a rule for which the daemon must cut it off, and not behind entries that wait because this client takes no completions.
  bool must_be_cut_off() const { return m_must_be_cut_off && (!m_is_due_when_taken || m_client.has_been_taken()); }
  size_t owed() const { return m_owed.size(); }
  std::string describe_owed() const; // " RECEIVE_REQUEST NOP"

private:
  // An operation that it has begun and knows no end of.
  struct Owed {
    uint32_t irp_id;
    uint8_t op;
    bool is_malformed;  // has to be refused with INVALID_PARAMETER
    bool cannot_succeed; // its body is not in the send arena
    bool has_more;       // of the response, in later operations
    uint64_t handle, object_id;
  };
  uint64_t place(const Step &step) const;
  void try_seals(const Step &step);
  void control(const Step &step);
  bool entry(const Step &step); // false: there is no room for it
  void flood(const Step &step);
  void publish(const Step &step);
  void doubt(bool doubts);
  void demand_end();
  void word(const Step &step);
  void reap(const Step &step);
  void returned(const Step &step);
  void look_at(const Completion &completion);
  void learn(uint64_t op, const Completion &completion);
  void unlearn(const Owed &owed, uint32_t status);
  uint64_t resolve(const Step &step, EntryArgument argument, uint64_t op) const;
  void parameters(const Step &step, hsys_sqe &entry);
  bool take_slot(const Step &step, uint32_t &irp_id);
  void take_messages();

  Identity m_identity;
  RingClient m_client;
  Counts &m_counts;
  std::vector<uint64_t> &m_known_to_all;
  uint32_t m_most_operations;
  bool m_is_honest = true;
  bool m_uses_slot_twice = false; // in an entry that may not be published yet
  bool m_must_be_cut_off = false;
  bool m_is_due_when_taken = false; // by an entry
  bool m_has_said_hello = false, m_has_asked = false;
  bool m_has_sent_messages = false; // others than one HELLO and one CHANNEL_OPEN
  uint32_t m_expected_reason = 0; // hsys_revocation of the only rule that it has ever broken
  bool m_may_be_anything = false; // has written over its own words or entries: nothing is certain any more
  bool m_has_ended = false;
  // By user_data, which is a number of its own for each entry.
  std::map<uint64_t, Owed> m_owed;
  std::set<uint16_t> m_slots; // in use as far as the client knows
  std::vector<uint16_t> m_reaped_slots; // free again with the next advance
  uint64_t m_next_user_data = 1;
  uint16_t m_next_sequence = 0;
  std::vector<uint64_t> m_handles, m_sessions, m_groups, m_requests, m_connections;
  std::vector<uint64_t> m_ended; // of them all
  std::vector<uint32_t> m_blocks; // lent
};

}
