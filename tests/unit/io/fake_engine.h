// SPDX-License-Identifier: GPL-3.0-or-later
// FakeEngine: an IoEngine whose only events are those that a test makes. For stepped cores.
#pragma once
#include "kernel/platform/platform.h"
#include <deque>
#include <vector>

namespace httpsys::platform {

class FakeEngine final : public IoEngine {
public:
  // A poll or accept completion for every one that is armed.
  void trigger_polls()
  {
    for (IoOperation *operation : m_polls)
      m_ready.push_back({operation, {NtStatus::Success, 1, true, {}}});
  }
  void accept_multishot(int, IoOperation &operation) override { arm(operation); }
  void accept_one(int, IoOperation &operation) override { arm(operation); }
  void receive_one(int, IoOperation &operation) override { arm(operation); }
  void receive_multishot(int, IoOperation &operation) override { arm(operation); }
  void send(int, std::span<const uint8_t>, IoOperation &) override { VERIFY(false); }
  void poll_multishot(int, IoOperation &operation) override { arm(operation); }
  void poll_one(int, IoOperation &operation) override { arm(operation); }
  void cancel(IoOperation &operation) override { m_ready.push_back({&operation, {NtStatus::Cancelled, 0, false, {}}}); }
  uint32_t run_once(Milliseconds) override
  {
    uint32_t handled = 0;
    for (size_t left = m_ready.size(); left > 0; left--, handled++) {
      auto [operation, result] = m_ready.front();
      m_ready.pop_front();
      if (!operation->is_in_flight())
        continue; // ended by an earlier completion
      if (!result.more) {
        std::erase(m_polls, operation);
        std::erase_if(m_ready, [operation = operation](auto &each) { return each.operation == operation; });
        left = std::min(left, m_ready.size() + 1);
        set_in_flight(*operation, false);
      }
      operation->on_complete(result);
    }
    return handled;
  }
  void wake() override {}

private:
  struct Ready {
    IoOperation *operation;
    IoResult result;
  };
  void arm(IoOperation &operation)
  {
    set_in_flight(operation, true);
    m_polls.push_back(&operation);
  }
  std::vector<IoOperation *> m_polls;
  std::deque<Ready> m_ready;
};

}
