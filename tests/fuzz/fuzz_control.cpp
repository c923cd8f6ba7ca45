// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzz target: packets on the control socket, with descriptors where none belong, from a process that has said HELLO or not.
#include "tests/fuzz/fuzz_target.h"
#include "tests/sim/wire.h"
#include "tools/fuzz/ring_client.h"
#include "tools/fuzz/simulated_target.h"

using namespace httpsys;
using namespace httpsys::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  sim::seed_randomness(1);
  Input input(data, size);
  run_or_die([&] {
    SimulatedTarget target(1, 1);
    {
      uint8_t selector = input.byte();
      auto link = target.connect();
      require(link != nullptr, "the control socket takes a connection");
      RingClient client(std::move(link));
      if (selector & 1)
        client.say_hello("fuzz");
      if (selector & 2)
        client.send(HSYS_CONTROL_CHANNEL_OPEN, hsys_control_channel_open{});
      target.run();
      while (!input.is_empty() && !client.link().has_ended()) {
        uint8_t how = input.byte();
        auto piece = input.piece();
        // The head as it has to be, or as it comes.
        std::vector<uint8_t> packet(piece.begin(), piece.end());
        if (how & 1 && packet.size() >= sizeof(hsys_control)) {
          auto &head = *reinterpret_cast<hsys_control *>(packet.data());
          head.magic = HSYS_CONTROL_MAGIC;
          head.size = static_cast<uint32_t>(packet.size());
        }
        client.link().send(packet, how & 2 ? 1 : 0);
        if (how & 4)
          target.pass(uint64_t{how} * 40);
        target.yield();
        client.take_messages();
      }
    }
    target.end();
  });
  return 0;
}
