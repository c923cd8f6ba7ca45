// SPDX-License-Identifier: GPL-3.0-or-later
// Visitor: a client on the network: sends requests, whole or in pieces, one after the other or all at once, and looks whether each gets
// the answer that a worker has given, or a reason why not. One thread.
#pragma once
#include "tests/sim/exchange.h"
#include "tests/sim/http_reader.h"
#include "tests/sim/wire.h"
#include <deque>
#include <memory>

namespace httpsys::sim {

class Simulation;

class Visitor {
public:
  Visitor(Simulation &simulation, Visit &visit, std::unique_ptr<Wire> wire);
  ~Visitor();

  // Something that clients do.
  void act();
  // Sends what is left, takes what comes.
  void calm();
  // So much has passed that a timer of the daemon's may end the connection.
  void note_time();
  // Nothing is owed to it.
  bool is_done() const { return m_waiting.empty(); }
  bool has_ended() const { return m_visit.has_ended || m_has_left; }
  std::string describe() const;

private:
  void add_request();
  std::string request_text(const Exchange &exchange) const;
  void send(uint64_t most);
  void look();
  void look_whose(const std::string &come) const;
  void judge(Exchange &exchange, const HttpAnswer &answer);
  void judge_own(Exchange &exchange, const HttpAnswer &answer);
  void leave(bool politely);
  bool has_made_room() const;

  Simulation &m_simulation;
  Visit &m_visit;
  std::unique_ptr<Wire> m_wire;
  HttpReader m_reader;
  std::string m_outgoing;
  // Of each exchange without its answer: how much of m_outgoing, counted from the beginning, there is until it begins and ends.
  struct Waiting {
    Exchange *exchange;
    uint64_t begin, end;
  };
  std::deque<Waiting> m_waiting;
  uint64_t m_queued = 0, m_sent = 0;
  uint64_t m_since; // when something has last gone or come
  uint64_t m_begun;
  bool m_has_left = false, m_is_half_closed = false;
  bool m_is_slow;
};

}
