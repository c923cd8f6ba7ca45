// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzz target: an application's response as it comes out of the arena, from the block to the bytes on the wire. Whatever it says, the
// client gets one response at most: its texts can neither add lines nor begin another one.
#include "tests/fuzz/fuzz_target.h"
#include "tests/sim/http_reader.h"
#include "tests/sim/wire.h"
#include "tools/fuzz/ring_client.h"
#include "tools/fuzz/simulated_target.h"
#include "uapi/ops.h"
#include "uapi/response.h"
#include "uapi/status.h"
#include <cstddef>
#include <cstring>
#include <string>

using namespace httpsys;
using namespace httpsys::fuzz;

namespace {

constexpr unsigned kTurns = 2000;
constexpr unsigned kMostSends = 8;
constexpr unsigned kOwnFields = 3; // of the daemon's: Server, Date, Content-Length; Connection when it closes

// An application that serves one URL.
class Service {
public:
  explicit Service(SimulatedTarget &target) : m_target(target), m_client(target.connect())
  {
    m_client.say_hello("fuzz");
    m_client.send(HSYS_CONTROL_CHANNEL_OPEN, hsys_control_channel_open{});
    m_target.run();
    m_client.take_messages();
    require(m_client.is_open(), "the channel is open");
    uint64_t session = call(HSYS_OP_CREATE_SERVER_SESSION, 0, 0, {}).object_id;
    uint64_t group = call(HSYS_OP_CREATE_URL_GROUP, 0, session, {}).object_id;
    m_queue = call(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0, queue_block("")).object_id;
    call(HSYS_OP_BIND_URL_GROUP, m_queue, group, {});
    hsys_cqe added = call(HSYS_OP_ADD_URL, 0, group, url_block("http://127.0.0.1:8080/"));
    require(added.status == HSYS_STATUS_SUCCESS, "the URL is registered");
  }
  hsys_cqe call(uint8_t op, uint64_t handle, uint64_t object, std::span<const uint8_t> parameters, uint32_t flags = 0, uint32_t room = 0)
  {
    hsys_sqe entry{};
    entry.op = op;
    entry.user_data = ++m_last;
    entry.irp_id = HSYS_IRP_ID(0, m_last & 0xffff);
    entry.handle = handle;
    entry.object_id = object;
    entry.op_flags = flags;
    entry.out_length = room;
    m_client.place_parameters(parameters, entry);
    m_client.put(entry);
    m_client.publish(0, true);
    for (unsigned turn = 0; turn < kTurns; turn++) {
      m_target.yield();
      auto done = m_client.reap(1);
      if (done.empty())
        continue;
      if (done[0].entry.flags & HSYS_CQE_BLOCK)
        m_client.give_back(done[0].entry.block);
      m_client.publish_returns(0);
      m_client.advance();
      return done[0].entry;
    }
    throw Finding{"hung", "an operation does not end"};
  }
  uint64_t queue() const { return m_queue; }

private:
  SimulatedTarget &m_target;
  RingClient m_client;
  uint64_t m_queue = 0;
  uint32_t m_last = 0;
};

uint32_t word_at(std::span<const uint8_t> block, size_t at)
{
  uint32_t word;
  std::memcpy(&word, block.data() + at, sizeof word);
  return word;
}

// Bytes of a body that a block, which was found good, names.
uint64_t body_of(std::span<const uint8_t> block, bool is_response)
{
  size_t count_at = is_response ? offsetof(hsys_response, extent_count) : offsetof(hsys_send_body, extent_count);
  uint64_t bytes = 0;
  for (uint32_t count = word_at(block, count_at), at = word_at(block, count_at + 4); count > 0; count--, at += sizeof(hsys_extent))
    bytes += word_at(block, at + offsetof(hsys_extent, length));
  return bytes;
}

void exchange(SimulatedTarget &target, Service &service, Input &input)
{
  uint8_t selector = input.byte();
  bool is_head = selector & 1;
  auto peer = target.dial();
  require(peer != nullptr, "somebody listens");
  peer->send(std::string(is_head ? "HEAD" : "GET") + " / HTTP/1." + (selector & 2 ? "0" : "1") + "\r\nHost: 127.0.0.1:8080\r\n\r\n");
  hsys_cqe received = service.call(HSYS_OP_RECEIVE_REQUEST, service.queue(), 0, {}, 0, 65536);
  require(received.status == HSYS_STATUS_SUCCESS, "the request is received");
  uint8_t op = HSYS_OP_SEND_RESPONSE;
  bool is_final = false;
  uint32_t fields = 0; // of the application's
  uint64_t body_bytes = 0;
  for (unsigned sends = 0; sends < kMostSends && !input.is_empty(); sends++) {
    uint32_t flags = input.byte() & 15;
    auto block = input.piece();
    if (service.call(op, service.queue(), received.object_id, block, flags).status != HSYS_STATUS_SUCCESS)
      continue;
    if (op == HSYS_OP_SEND_RESPONSE)
      fields = word_at(block, offsetof(hsys_response, header_count));
    body_bytes += body_of(block, op == HSYS_OP_SEND_RESPONSE);
    size_t flags_at = op == HSYS_OP_SEND_RESPONSE ? offsetof(hsys_response, flags) : offsetof(hsys_send_body, flags);
    is_final = (flags & HSYS_SEND_MORE_DATA) == 0 && (block[flags_at] & HSYS_SEND_CONTINUES) == 0;
    op = HSYS_OP_SEND_BODY;
  }
  target.run();
  bool has_ended = peer->has_ended();
  service.call(HSYS_OP_CANCEL_REQUEST, service.queue(), received.object_id, {});
  target.run();
  sim::HttpReader reader;
  reader.append(peer->receive());
  std::string what_is_wrong;
  auto answer = reader.take(is_head, true, what_is_wrong);
  // Who says Transfer-Encoding makes the chunks, too; what is no chunk is the application's.
  bool is_its_own = what_is_wrong.starts_with("chunk size") || what_is_wrong.starts_with("no line end behind a chunk");
  require(what_is_wrong.empty() || is_its_own, what_is_wrong.c_str());
  if (is_its_own)
    return;
  if (answer) {
    require(answer->fields <= uint64_t{fields} + kOwnFields + answer->closes, "no field has another one in its value");
    require(answer->body.size() <= body_bytes, "no field ends the head");
  }
  // An application may send more than its Content-Length says (DESIGN.md): no other response may come behind that.
  require(!reader.has_bytes() || has_ended || !is_final, "nothing comes behind the response");
}

}

static SimulatedTarget *s_target;
static Service *s_service;

// For all inputs: bringing up a daemon takes longer than answering.
static void begin_once()
{
  if (s_target)
    return;
  s_target = new SimulatedTarget(2, 1);
  s_service = new Service(*s_target);
  // Behind the daemon's own objects, so before their end.
  std::atexit([] {
    delete s_service;
    run_or_die([] { s_target->end(); });
    delete s_target;
  });
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  sim::seed_randomness(1);
  Input input(data, size);
  run_or_die([&] {
    begin_once();
    exchange(*s_target, *s_service, input);
  });
  return 0;
}
