// SPDX-License-Identifier: GPL-3.0-or-later
// Attackers for tools/bench/victim and test_crash.py: each does one thing as fast as the daemon takes it, until it is killed, and breaks no
// rule of the ring. Prints "ready", then how often it has done it, ten times a second.
//   ring-flood SOCKET [KIND]
// nop, the default: operations that do nothing, with a kick for each batch; full: takes fewer completions than it submits operations, so
// that both rings are full and entries wait for credit; url: URLs come and go; queue: request queues come and go; kick: kicks alone; ping:
// control messages; session: sessions come and go; channel: sessions with a channel of the largest size come and go.
#include "tools/fuzz/attached_target.h"
#include "tools/fuzz/finding.h"
#include "tools/fuzz/ring_client.h"
#include "uapi/ops.h"
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <string_view>

using namespace httpsys;
using namespace httpsys::fuzz;

namespace {

constexpr std::chrono::milliseconds kBetweenCounts{100};
constexpr uint32_t kAtATime = 60; // URLs, queues, messages

class Flood {
public:
  explicit Flood(const char *socket) : m_target(socket) {}
  void nop(bool full);
  void urls();
  void queues();
  void kicks();
  void pings();
  void sessions(bool with_channel);

private:
  RingClient &connect(bool with_channel, bool largest = false);
  void count(uint64_t more);
  void check_life()
  {
    if (m_client->link().has_ended())
      throw Finding{"ended", "the daemon has ended the session"};
  }
  void submit(uint8_t op, uint64_t handle, uint64_t object, const std::vector<uint8_t> &parameters = {});
  std::vector<uint64_t> finish(); // the ids of what succeeded

  AttachedTarget m_target;
  std::unique_ptr<RingClient> m_client;
  uint32_t m_begun = 0, m_ended = 0;
  uint64_t m_count = 0;
  std::chrono::steady_clock::time_point m_counted{};
};

RingClient &Flood::connect(bool with_channel, bool largest)
{
  auto link = m_target.connect();
  if (!link)
    throw Finding{"refused", "nobody takes connections there"};
  m_client = std::make_unique<RingClient>(std::move(link));
  m_client->say_hello("ring-flood");
  hsys_control_channel_open open{};
  if (largest)
    open.sq_entries = open.cq_entries = open.rx_bytes = open.tx_bytes = UINT32_MAX;
  if (with_channel)
    m_client->send(HSYS_CONTROL_CHANNEL_OPEN, open);
  while (!m_client->take_messages(with_channel ? HSYS_CONTROL_CHANNEL_OPENED : HSYS_CONTROL_WELCOME)) {
    check_life();
    m_target.yield();
  }
  return *m_client;
}

void Flood::count(uint64_t more)
{
  m_count += more;
  auto now = std::chrono::steady_clock::now();
  if (now - m_counted < kBetweenCounts)
    return;
  if (m_counted == std::chrono::steady_clock::time_point{})
    std::puts("ready");
  m_counted = now;
  std::printf("%llu\n", static_cast<unsigned long long>(m_count));
  std::fflush(stdout);
}

void Flood::nop(bool full)
{
  RingClient &client = connect(true);
  uint32_t slots = client.geometry().cq_entries - (full ? 0 : HSYS_CQ_RESERVE + 1);
  for (;;) {
    while (client.has_room() && (full || m_begun - m_ended < slots)) {
      hsys_sqe entry{};
      entry.op = HSYS_OP_NOP;
      entry.user_data = m_begun;
      entry.irp_id = HSYS_IRP_ID(m_begun++ % slots, 0);
      client.put(entry);
    }
    client.publish(0, true);
    auto taken = static_cast<uint32_t>(client.reap(full ? 8 : slots).size());
    m_ended += taken;
    client.advance();
    count(taken);
    check_life();
  }
}

void Flood::submit(uint8_t op, uint64_t handle, uint64_t object, const std::vector<uint8_t> &parameters)
{
  hsys_sqe entry{};
  entry.op = op;
  entry.irp_id = HSYS_IRP_ID(m_begun++ % (2 * kAtATime), 0);
  entry.handle = handle;
  entry.object_id = object;
  if (!parameters.empty())
    m_client->place_parameters(parameters, entry);
  m_client->put(entry);
}

std::vector<uint64_t> Flood::finish()
{
  std::vector<uint64_t> ids;
  for (m_client->publish(0, true); m_ended != m_begun; check_life()) {
    for (const Completion &done : m_client->reap(2 * kAtATime)) {
      m_ended++;
      if (done.entry.status == 0)
        ids.push_back(done.entry.object_id);
      if (done.entry.flags & HSYS_CQE_BLOCK)
        m_client->give_back(done.entry.block);
    }
    m_client->advance();
    m_client->publish_returns(0);
  }
  count(ids.size());
  return ids;
}

void Flood::urls()
{
  connect(true);
  submit(HSYS_OP_CREATE_SERVER_SESSION, 0, 0);
  uint64_t session = finish().at(0);
  submit(HSYS_OP_CREATE_URL_GROUP, 0, session);
  uint64_t group = finish().at(0);
  for (;;)
    for (uint8_t op : {HSYS_OP_ADD_URL, HSYS_OP_REMOVE_URL}) {
      for (uint32_t number = 0; number < kAtATime; number++)
        submit(op, 0, group, url_block(fmt::format("http://127.0.0.1:{}/{}/", m_target.port(), number)));
      if (finish().size() != kAtATime)
        throw Finding{"refused", "a URL was refused"};
    }
}

void Flood::queues()
{
  connect(true);
  for (;;) {
    for (uint32_t number = 0; number < kAtATime; number++)
      submit(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0, queue_block(""));
    std::vector<uint64_t> handles = finish();
    if (handles.size() != kAtATime)
      throw Finding{"refused", "a request queue was refused"};
    for (uint64_t handle : handles)
      submit(HSYS_OP_CLOSE_HANDLE, handle, 0);
    finish();
  }
}

void Flood::kicks()
{
  for (connect(true);; check_life()) {
    m_client->link().kick(kAtATime);
    count(kAtATime);
    m_client->take_messages();
  }
}

void Flood::pings()
{
  struct Ping {
    hsys_control head;
  };
  connect(false);
  for (;;) {
    for (uint32_t number = 0; number < kAtATime; number++)
      m_client->send(HSYS_CONTROL_PING, Ping{});
    // Who does not take his answers is cut off.
    for (uint32_t answered = 0; answered < kAtATime; check_life())
      while (m_client->take_message())
        answered++;
    count(kAtATime);
  }
}

void Flood::sessions(bool with_channel)
{
  for (;; count(1))
    connect(with_channel, true);
}

}

int main(int argc, char **argv)
{
  const std::string_view kind = argc == 3 ? argv[2] : "nop";
  try {
    if (argc < 2 || argc > 3)
      return std::fprintf(stderr, "usage: ring-flood SOCKET [KIND]\n"), 2;
    Flood flood(argv[1]);
    if (kind == "nop" || kind == "full")
      flood.nop(kind == "full");
    else if (kind == "url")
      flood.urls();
    else if (kind == "queue")
      flood.queues();
    else if (kind == "kick")
      flood.kicks();
    else if (kind == "ping")
      flood.pings();
    else if (kind == "session" || kind == "channel")
      flood.sessions(kind == "channel");
    else
      return std::fprintf(stderr, "ring-flood: no such kind\n"), 2;
  } catch (const Finding &finding) {
    std::fprintf(stderr, "ring-flood: %s\n", finding.text.c_str());
  }
  return 1;
}
