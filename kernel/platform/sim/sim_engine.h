// SPDX-License-Identifier: GPL-3.0-or-later
// SimEngine: the IoEngine of one core on a SimSystem. It ends the process when an operation outlives it.
#pragma once
#include "kernel/platform/sim/sim_system.h"

namespace httpsys::platform {

class SimEngine final : public IoEngine {
public:
  explicit SimEngine(SimSystem &system) : m_system(system) {}
  ~SimEngine();

  bool holds_sends = false; // they stay in flight

  void accept_multishot(int listener, IoOperation &operation) override { start(Kind::Accept, listener, operation); }
  void accept_one(int listener, IoOperation &operation) override { start(Kind::AcceptOne, listener, operation); }
  void receive_multishot(int socket, IoOperation &operation) override { start(Kind::Receive, socket, operation); }
  void receive_one(int socket, IoOperation &operation) override { start(Kind::ReceiveOne, socket, operation); }
  void send(int socket, std::span<const uint8_t> bytes, IoOperation &operation) override;
  void poll_multishot(int descriptor, IoOperation &operation) override { start(Kind::Poll, descriptor, operation); }
  void poll_one(int descriptor, IoOperation &operation) override { start(Kind::PollOne, descriptor, operation); }
  void cancel(IoOperation &operation) override;
  uint32_t run_once(Milliseconds deadline) override;
  bool has_left() const override { return !m_left_data.empty() || !m_left.empty(); }
  void wake() override {}

private:
  enum class Kind { Accept, AcceptOne, Receive, Send, Poll, ReceiveOne, PollOne };
  struct Flight {
    uint64_t number;
    Kind kind;
    int descriptor;
    IoOperation *operation;
    std::span<const uint8_t> bytes; // of a send
    bool is_cancelled = false;
    std::list<int> accepted = {}; // by a multishot accept, not told of yet
    bool is_over = false;         // its end may be left for a later turn
    uint32_t data_left = 0;       // completions in m_left_data with bytes
  };
  using Bytes = std::unique_ptr<std::vector<uint8_t>>;
  struct Left {
    uint64_t number; // of the flight
    IoResult result;
    Bytes bytes; // where its data lie
  };
  Flight &start(Kind kind, int descriptor, IoOperation &operation);
  void cancel(Flight &flight);
  Flight *find(uint64_t number);
  std::vector<uint64_t> order();
  bool complete_one(uint64_t number);
  bool complete(Flight &flight, IoResult result, Bytes bytes = nullptr);
  void tell(Flight &flight, const IoResult &result);
  void tell_left(std::list<Left> &left);
  bool complete_accept(Flight &flight, std::list<int> &waiting, bool more);
  bool complete_poll(Flight &flight, SimEvent &event);
  bool complete_poll_one(Flight &flight, const SimSystem::Descriptor &descriptor);
  bool complete_receive(Flight &flight, SimSocket &socket);
  bool complete_send(Flight &flight, SimSocket &socket);
  SimSystem &m_system;
  std::list<Flight> m_flights;
  std::list<Left> m_left_data, m_left; // as the real engine has them
  uint32_t m_told = 0;                 // in this turn
  uint64_t m_last = 0;
};

}
