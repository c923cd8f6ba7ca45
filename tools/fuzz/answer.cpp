// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/answer.h"
#include "tools/fuzz/finding.h"
#include <fmt/format.h>
#include <thread>

namespace httpsys::fuzz {

using Clock = std::chrono::steady_clock;

static constexpr std::chrono::milliseconds kMoment{1};

static std::optional<std::vector<uint8_t>> take_answer(RingClient &client, uint16_t type, size_t size)
{
  while (auto message = client.take_message()) {
    hsys_control head;
    std::memcpy(&head, message->data(), sizeof head);
    if (head.type == type && message->size() == size)
      return message;
    if (head.type == type)
      throw Finding{"mixed", fmt::format("the daemon answered with a control message {} of {} bytes, not {}", type, message->size(), size)};
  }
  return std::nullopt;
}

std::optional<std::vector<uint8_t>> wait_for_answer(RingClient &client, uint16_t type, size_t size)
{
  for (auto until = Clock::now() + kAnswerPatience;;) {
    bool is_late = Clock::now() > until; // before the look, or time that this thread was not given would be the daemon's
    if (auto answer = take_answer(client, type, size))
      return answer;
    if (is_late || client.link().has_ended())
      return std::nullopt;
    std::this_thread::sleep_for(kMoment);
  }
}

}
