// SPDX-License-Identifier: GPL-3.0-or-later
// An attacker for tools/bench/victim and test_crash.py: begins operations and kicks for each batch, as fast as the daemon takes them,
// until it is killed. It breaks no rule of the ring.
//   ring-flood SOCKET [full]
// full: takes fewer completions than it submits operations, so that both rings are full and entries wait for credit.
#include "tools/fuzz/attached_target.h"
#include "tools/fuzz/finding.h"
#include "tools/fuzz/ring_client.h"
#include "uapi/ops.h"
#include <cstdio>
#include <cstring>

using namespace httpsys;
using namespace httpsys::fuzz;

static void flood(RingClient &client, bool full)
{
  uint32_t slots = client.geometry().cq_entries - (full ? 0 : HSYS_CQ_RESERVE + 1), begun = 0, ended = 0;
  for (;;) {
    while (client.has_room() && (full || begun - ended < slots)) {
      hsys_sqe entry{};
      entry.op = HSYS_OP_NOP;
      entry.user_data = begun;
      entry.irp_id = HSYS_IRP_ID(begun++ % slots, 0);
      client.put(entry);
    }
    client.publish(0, true);
    ended += static_cast<uint32_t>(client.reap(full ? 8 : slots).size());
    client.advance();
    if (client.link().has_ended())
      return;
  }
}

int main(int argc, char **argv)
{
  const bool full = argc == 3 && std::strcmp(argv[2], "full") == 0;
  if (argc != 2 && !full)
    return std::fprintf(stderr, "usage: ring-flood SOCKET [full]\n"), 2;
  try {
    AttachedTarget target(argv[1]);
    auto link = target.connect();
    if (!link)
      throw Finding{"refused", "nobody takes connections there"};
    RingClient client(std::move(link));
    client.say_hello("ring-flood");
    client.send(HSYS_CONTROL_CHANNEL_OPEN, hsys_control_channel_open{});
    while (!client.take_messages(HSYS_CONTROL_CHANNEL_OPENED) && !client.link().has_ended())
      target.yield();
    std::puts("ready");
    std::fflush(stdout);
    flood(client, full);
  } catch (const Finding &finding) {
    std::fprintf(stderr, "ring-flood: %s\n", finding.text.c_str());
  }
  return 1;
}
