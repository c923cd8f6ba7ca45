// SPDX-License-Identifier: GPL-3.0-or-later
// Answers of a running daemon to control messages, waited for no longer than its promise allows.
#pragma once
#include "tools/fuzz/ring_client.h"
#include <chrono>
#include <cstring>

namespace httpsys::fuzz {

constexpr std::chrono::milliseconds kAnswerPatience{5000};

// The next message of that type, which has that size; others are passed over. Nullopt: the session has ended, or kAnswerPatience is over.
std::optional<std::vector<uint8_t>> wait_for_answer(RingClient &client, uint16_t type, size_t size);

// The same as a structure.
template <typename Message>
std::optional<Message> wait_for(RingClient &client, uint16_t type)
{
  auto bytes = wait_for_answer(client, type, sizeof(Message));
  if (!bytes)
    return std::nullopt;
  Message message;
  std::memcpy(&message, bytes->data(), sizeof message);
  return message;
}

}
