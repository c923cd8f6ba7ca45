// SPDX-License-Identifier: GPL-3.0-or-later
// Worker: a client process that keeps to the ring's rules: it serves a site of its own and helps at others' queues, with every operation
// there is, at any time, as slowly as it likes, and may die anywhere between two words of the protocol. Each completion is judged: exactly
// one for each operation, with a status that something accounts for, and with the bytes that belong there. One thread.
#pragma once
#include "tests/sim/exchange.h"
#include "tools/fuzz/ring_client.h"
#include "uapi/ops.h"
#include "uapi/status.h"
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace httpsys::sim {

class Simulation;

inline bool is_of_connection(hsys_op op)
{
  return op == HSYS_OP_WAIT_DISCONNECT || op == HSYS_OP_RECEIVE_CERTIFICATE;
}

// Whether as many sessions as the user or process may have: None: there is room; Near: perhaps, as some may not have ended yet.
enum class SessionBound : uint8_t { None, Near, Reached };

class Worker {
public:
  Worker(Simulation &simulation, uint32_t number, std::unique_ptr<fuzz::Link> link, platform::PeerCredentials who);
  ~Worker(); // it dies

  // Channel, session, group, queue and URL. False: a fault stood in the way, or the bound, and it is of no use.
  bool attach(bool is_tls, SessionBound bound);
  const platform::PeerCredentials &who() const { return m_who; }
  bool has_ended() { return m_client.link().has_ended(); }
  // Something that a worker does.
  void act();
  // Answers what there is, slowly or not at all no longer.
  void calm();
  // Nothing is owed by it, or to it but what waits for visitors.
  bool is_calm() const;
  std::string describe() const;
  // What the daemon counts for its channel is what this client knows of. Throws "not conserved".
  void check_conservation();
  // Takes what is there and hands all blocks back, and has none then.
  void hand_back();
  // In all that the daemon has ever written into its half of the channel. Throws "mixed".
  void look_for_others() const { m_client.look_for_others(); }

private:
  // A handle to a queue.
  struct Handle {
    uint64_t id;
    Site *site;
    bool is_shut = false;
    bool is_closing = false;
  };
  // A request that it has been given.
  struct Held {
    Exchange *exchange; // null: its image was too long for the first receive, and is not known yet
    uint64_t id, connection;
    Handle *handle;
    bool is_received = false; // and the daemon knows that
    bool is_being_retrieved = false;
    bool is_body_over = false;
    uint64_t read_bytes = 0;
    uint32_t reads = 0;         // under way
    uint64_t response_left = 0; // body bytes of the response that was begun
    bool is_begun = false;
  };
  struct Operation {
    hsys_op op;
    uint32_t slot;
    Handle *handle;
    uint64_t object;
    Exchange *exchange; // whose it is, or whose connection
    uint32_t out_length, flags;
    bool is_cancelled = false; // CANCEL has named it, or its handle was closed or shut
    bool must_end = false;     // CANCEL said that it does
    bool is_nonsense = false; // refused: its reason takes a block
    uint64_t cancels = 0;      // CANCEL: which one
    bool has_big_body = false;
    Site *site = nullptr;
    uint64_t step = 0;  // when it was begun
    bool takes = false; // ADD_URL of the URL that is the site's
    const Exchange *others = nullptr; // of its connection, with another worker when it was begun
  };

  // worker.cpp: what it begins.
  bool has_room() const { return !m_free_slots.empty() && m_client.has_room(); }
  Operation &submit(hsys_op op, Handle *handle, uint64_t object, std::span<const uint8_t> parameters = {}, uint32_t flags = 0,
                    uint32_t out_length = 0);
  Operation &submit_for(Held &held, hsys_op op, std::span<const uint8_t> parameters = {}, uint32_t flags = 0, uint32_t out_length = 0);
  uint32_t cell(uint32_t slot) const;
  void publish();
  bool call(hsys_op op, Handle *handle, uint64_t object, std::span<const uint8_t> parameters, uint64_t &id, uint32_t flags = 0);
  void receive(Handle &handle);
  void retrieve(Held &held);
  void read_body(Held &held);
  void respond(Held &held, bool all);
  void send_more(Held &held, bool all);
  bool put_body(Exchange &exchange, std::vector<uint8_t> &block, size_t extent_at, uint64_t bytes);
  uint64_t body_room() const;
  void certificate(Held &held);
  void cancel();
  void cancel_request(Held &held);
  void change_urls();
  void change_queues();
  void close(Handle &handle);
  void shut(Handle &handle);
  void poison();
  void take_url();
  void give_up_urls();
  void taking_done(const Operation &operation, const fuzz::Completion &completion);
  bool may_open(const Site &site) const { return m_who.uid == 0 || m_who.uid == site.uid; }
  bool may_know(const Site *site) const;
  bool has_others(std::span<const uint8_t> bytes) const;
  Handle *pick_handle();
  Held *pick_held();
  void act_on(Held &held, uint64_t what);

  // worker_completions.cpp: what comes.
  void reap(size_t most);
  void advance();
  void give_back(size_t most = SIZE_MAX);
  void fill_arena();
  void look_at(const fuzz::Completion &completion);
  void judge(const Operation &operation, const fuzz::Completion &completion);
  void ended_early(const Operation &operation, hsys_status status);
  void request_came(const Operation &operation, const fuzz::Completion &completion);
  void look_whose(const Exchange &exchange, const Operation &operation, const fuzz::Completion &completion) const;
  void body_came(const Operation &operation, const fuzz::Completion &completion);
  const Exchange *request_of_others(const Held &held) const;
  bool is_others(const Operation &operation) const;
  void certificate_came(const Operation &operation, const fuzz::Completion &completion);
  void configuration_done(const Operation &operation, const fuzz::Completion &completion);
  void lose(Held &held, const char *why);
  [[noreturn]] void complain(const char *kind, const Operation &operation, const fuzz::Completion &completion, const char *why) const;

  Simulation &m_simulation;
  uint32_t m_number;
  const platform::PeerCredentials m_who;
  fuzz::RingClient m_client;
  Site *m_site = nullptr;
  uint64_t m_session = 0, m_group = 0;
  bool m_is_bound = true, m_has_url = true;
  std::vector<std::unique_ptr<Handle>> m_handles;
  std::map<uint64_t, Held> m_held;            // by request id
  std::map<uint64_t, Operation> m_operations; // by user_data
  std::vector<uint32_t> m_free_slots, m_reaped_slots;
  std::vector<uint64_t> m_reaped_requests; // received with the next advance
  std::vector<uint32_t> m_blocks;          // lent
  std::vector<Site *> m_taken;             // whose URLs it has, until it gives them up
  uint64_t m_last = 0;
  bool m_hoards = false; // keeps blocks of a small arena
  bool m_fills = false;  // and all but a few from the beginning, so that results wait for some
  bool m_has_big_body = false; // the one place for it is taken
  std::optional<std::pair<uint32_t, uint64_t>> m_called; // status and id of what call() waits for
};

}
