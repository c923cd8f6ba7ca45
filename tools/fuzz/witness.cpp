// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/witness.h"
#include "tools/fuzz/step.h"
#include "uapi/ops.h"
#include "uapi/request.h"
#include "uapi/response.h"
#include "uapi/status.h"
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::fuzz {

static constexpr unsigned kTurns = 20'000;                        // of a daemon that runs in yield()
static constexpr unsigned kTurnsOfMillisecond = 64;
static constexpr std::chrono::seconds kPatience{30};              // with a real one, of a machine that may have much else to do
static constexpr uint64_t kBodyBytes = 3000;

static std::unique_ptr<Link> connect_or_fail(Target &target)
{
  auto link = target.connect();
  if (!link)
    throw Finding{"died", "the control socket takes no connection"};
  return link;
}

template <typename Condition>
void Witness::wait_for(const std::string &what, Condition condition)
{
  auto until = std::chrono::steady_clock::now() + kPatience;
  for (unsigned turn = 0; !condition(); turn++) {
    if (m_client.link().has_ended())
      throw Finding{"refused others", "the session of a client that keeps to the rules ended, while it waited for " + what};
    if (m_target.is_real() ? std::chrono::steady_clock::now() > until : turn > kTurns)
      throw Finding{m_target.is_real() ? "refused others" : "hung", // whether a real one hangs, PING tells
                    "a client that keeps to the rules waits in vain for " + what};
    if (m_target.is_real() || turn % kTurnsOfMillisecond != 0)
      m_target.yield();
    else
      m_target.pass(1);
  }
}

Witness::Witness(Target &target, Identity identity, IsForeign is_foreign)
    : m_target(target), m_identity(std::move(identity)), m_client(connect_or_fail(target), std::move(is_foreign))
{
  m_client.say_hello(m_identity.program().c_str());
  wait_for("WELCOME", [&] { return m_client.take_messages(HSYS_CONTROL_WELCOME); });
  m_client.send(HSYS_CONTROL_CHANNEL_OPEN, hsys_control_channel_open{});
  wait_for("its channel", [&] { return m_client.take_messages(HSYS_CONTROL_CHANNEL_OPENED); });
  if (m_target.is_real() && m_client.answer() == static_cast<uint32_t>(HSYS_STATUS_INSUFFICIENT_RESOURCES))
    throw Hindered{"the daemon's limits leave a client that keeps to the rules no channel beside this program's attack: its log says why"};
  if (!m_client.is_open())
    throw Finding{"refused others", "a client that keeps to the rules gets no channel"};
  uint64_t session = make(HSYS_OP_CREATE_SERVER_SESSION, 0, 0, {});
  uint64_t group = make(HSYS_OP_CREATE_URL_GROUP, 0, session, {});
  m_queue = make(HSYS_OP_CREATE_REQUEST_QUEUE, 0, 0, {queue_block(""), {}});
  make(HSYS_OP_BIND_URL_GROUP, m_queue, group, {});
  make(HSYS_OP_ADD_URL, 0, group, {url_block(m_identity.prefix()), {}});
}

uint64_t Witness::make(uint8_t op, uint64_t handle, uint64_t object, const Block &block)
{
  Completion done = call(op, handle, object, block);
  if (done.entry.status != HSYS_STATUS_SUCCESS)
    complain(op, done.entry.status, std::string(done.output.begin(), done.output.end()));
  return done.entry.object_id;
}

// The hostile clients are of the same process and user, and may have taken all that these may have: that is as it should be.
void Witness::complain(uint8_t op, uint32_t status, const std::string &reason)
{
  if (m_target.is_real() && (reason.starts_with("this process has ") || reason.starts_with("uid ")))
    throw Hindered{"the daemon's limits leave a client that keeps to the rules no room beside this program's attack: " + reason};
  throw Finding{"refused others",
                fmt::format("operation {} of a client that keeps to the rules failed with status {:#x} {}", op, status, reason)};
}

void Witness::submit(uint8_t op, uint64_t handle, uint64_t object, const Block &block, uint32_t out_length)
{
  hsys_sqe entry{};
  entry.op = op;
  entry.user_data = ++m_last;
  entry.irp_id = HSYS_IRP_ID(m_last % 256, m_last / 256);
  entry.handle = handle;
  entry.object_id = object;
  entry.out_length = out_length;
  Block placed = block;
  m_client.place_body(placed);
  m_client.place_parameters(placed.bytes, entry);
  m_client.put(entry);
  m_client.publish(0, true);
}

Completion Witness::call(uint8_t op, uint64_t handle, uint64_t object, const Block &block, uint32_t out_length)
{
  submit(op, handle, object, block, out_length);
  std::vector<Completion> done;
  wait_for("a completion of " + operation_name(op), [&] {
    m_client.take_messages();
    done = m_client.reap(1);
    return !done.empty();
  });
  if (done[0].entry.user_data != m_last)
    throw Finding{"twice", "a client that keeps to the rules got a completion of another operation than its only one"};
  if (done[0].has_remains)
    throw Finding{"mixed", "what a block held before is behind its new bytes"};
  if (done[0].entry.flags & HSYS_CQE_BLOCK) {
    m_client.give_back(done[0].entry.block);
    m_client.publish_returns(0);
  }
  m_client.advance();
  return done[0];
}

std::string Witness::read_body(uint64_t request)
{
  std::string body;
  for (bool has_ended = false; !has_ended;) {
    Completion read = call(HSYS_OP_RECEIVE_BODY, m_queue, request, {}, HSYS_BODY_READ_MAX);
    has_ended = read.entry.status == static_cast<uint32_t>(HSYS_STATUS_END_OF_FILE) || (read.entry.aux & 1) != 0;
    if (read.entry.status != HSYS_STATUS_SUCCESS && !has_ended)
      throw Finding{"refused others", fmt::format("a client that keeps to the rules got status {:#x} for a body", read.entry.status)};
    if (read.entry.status == HSYS_STATUS_SUCCESS)
      body.append(read.output.begin(), read.output.end());
  }
  return body;
}

void Witness::check()
{
  auto peer = m_target.dial();
  if (!peer)
    throw Finding{"refused others", "nobody listens on the port of a URL that is registered"};
  std::string body;
  while (body.size() < kBodyBytes)
    body += m_identity.mark;
  std::string number = std::to_string(++m_asked);
  peer->send("POST /" + m_identity.name + "/" + number + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(m_identity.port) +
             "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  Completion received = call(HSYS_OP_RECEIVE_REQUEST, m_queue, 0, {}, 65536);
  hsys_request request{};
  if (received.entry.status != HSYS_STATUS_SUCCESS || received.output.size() < sizeof request)
    throw Finding{"refused others", fmt::format("a client that keeps to the rules got status {:#x} for a request", received.entry.status)};
  std::memcpy(&request, received.output.data(), sizeof request);
  if (uint64_t{request.raw_url.offset} + request.raw_url.length > received.output.size())
    throw Finding{"mixed", "a request's URL lies outside of its image"};
  std::string url(reinterpret_cast<const char *>(received.output.data()) + request.raw_url.offset, request.raw_url.length);
  if (url != "/" + m_identity.name + "/" + number)
    throw Finding{"mixed", "a client that keeps to the rules got the request \"" + url + "\", not its own"};
  if (read_body(request.request_id) != body)
    throw Finding{"mixed", "a body of a client that keeps to the rules arrived as another one"};
  std::string answered;
  std::string answer = m_identity.mark + number;
  if (make(HSYS_OP_SEND_RESPONSE, m_queue, request.request_id, response_block(answer)) != 0)
    throw Finding{"mixed", "SEND_RESPONSE returned an id"};
  wait_for("its own answer at the other end", [&] {
    answered += peer->receive();
    return peer->has_ended();
  });
  if (!answered.starts_with("HTTP/1.1 200 ") || !answered.ends_with("\r\n\r\n" + answer))
    throw Finding{"mixed", "the answer of a client that keeps to the rules arrived as \"" + answered.substr(0, 60) + "...\""};
  m_client.look_for_others();
}

}
