// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/worker.h"
#include "tests/sim/simulation.h"
#include "tools/fuzz/step.h"
#include "tests/sim/tls_material.h"
#include "uapi/request.h"
#include "uapi/status.h"
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::sim {

using fuzz::Completion;
using fuzz::Finding;

void Worker::complain(const char *kind, const Operation &operation, const Completion &completion, const char *why) const
{
  bool has_reason = completion.entry.flags & HSYS_CQE_REASON;
  throw Finding{kind, fmt::format("w{}: {} {} ended with {:#x} {}: {}", m_number, completion.entry.user_data,
                                  fuzz::operation_name(operation.op), completion.entry.status,
                                  has_reason ? std::string(completion.output.begin(), completion.output.end()) : std::string(), why)};
}

void Worker::reap(size_t most)
{
  for (const Completion &completion : m_client.reap(most))
    look_at(completion);
}

void Worker::advance()
{
  m_client.advance();
  for (uint64_t request : m_reaped_requests)
    if (auto found = m_held.find(request); found != m_held.end())
      found->second.is_received = true;
  m_reaped_requests.clear();
  m_free_slots.insert(m_free_slots.end(), m_reaped_slots.begin(), m_reaped_slots.end());
  m_reaped_slots.clear();
}

void Worker::give_back(size_t most)
{
  for (; most > 0 && !m_blocks.empty(); most--) {
    m_client.give_back(m_blocks.front());
    m_blocks.erase(m_blocks.begin());
  }
  m_client.publish_returns(0);
}

void Worker::look_at(const Completion &completion)
{
  const hsys_cqe &entry = completion.entry;
  auto found = m_operations.find(entry.user_data);
  if (found == m_operations.end())
    throw Finding{"twice", fmt::format("w{} got a completion that it has had, or of nothing: {}", m_number, entry.user_data)};
  if (completion.has_remains)
    throw Finding{"mixed", "what a block held before is behind its new bytes"};
  if (entry.flags & HSYS_CQE_BLOCK)
    m_blocks.push_back(entry.block);
  Operation operation = found->second;
  m_operations.erase(found);
  if (entry.irp_id != HSYS_IRP_ID(operation.slot, static_cast<uint16_t>(entry.user_data)))
    complain("mixed", operation, completion, "its irp_id is another one's");
  m_simulation.trace.note("w{} sees {} {} end with {:#x}", m_number, entry.user_data, fuzz::operation_name(operation.op), entry.status);
  m_reaped_slots.push_back(operation.slot);
  m_has_big_body &= !operation.has_big_body;
  if (!operation.is_nonsense)
    judge(operation, completion);
  else if (static_cast<NtStatus>(entry.status) != NtStatus::InvalidParameter)
    complain("accepted", operation, completion, "it names nothing");
}

static bool is_end(uint32_t status)
{
  static constexpr hsys_status kEnds[] = {HSYS_STATUS_CANCELLED, HSYS_STATUS_CONNECTION_INVALID, HSYS_STATUS_CONNECTION_ABORTED,
                                          HSYS_STATUS_INVALID_HANDLE};
  return std::ranges::count(kEnds, static_cast<hsys_status>(status)) > 0;
}

void Worker::judge(const Operation &operation, const Completion &completion)
{
  auto status = static_cast<hsys_status>(completion.entry.status);
  // What ends an operation of a request or connection early has to be accounted for.
  bool has_reason = operation.is_cancelled || (operation.handle && (operation.handle->is_closing || operation.handle->is_shut)) ||
                    (operation.exchange && operation.exchange->visit->has_reason_to_end()) ||
                    (operation.exchange && is_of_connection(operation.op) && m_simulation.model.has_few_places) ||
                    (operation.exchange && !is_of_connection(operation.op) &&
                     (operation.exchange->reason() || operation.exchange->is_final)) ||
                    (operation.op == HSYS_OP_RECEIVE_BODY && operation.exchange->is_complete()) ||
                    (operation.op == HSYS_OP_RECEIVE_CERTIFICATE && is_others(operation)) ||
                    (operation.op == HSYS_OP_RECEIVE_REQUEST && operation.object != 0); // nobody knows yet which one it is
  if (is_end(completion.entry.status) && operation.handle) {
    if (!has_reason)
      complain("refused others", operation, completion, "nothing accounts for that");
    return ended_early(operation, status);
  }
  switch (operation.op) {
  case HSYS_OP_RECEIVE_REQUEST: return request_came(operation, completion);
  case HSYS_OP_RECEIVE_BODY: return body_came(operation, completion);
  case HSYS_OP_RECEIVE_CERTIFICATE: return certificate_came(operation, completion);
  case HSYS_OP_SEND_RESPONSE:
  case HSYS_OP_SEND_BODY:
    if (status != HSYS_STATUS_SUCCESS)
      complain("refused others", operation, completion, "nothing was wrong with it");
    if (operation.exchange->is_final && !(operation.flags & HSYS_SEND_MORE_DATA))
      m_held.erase(operation.object);
    return;
  case HSYS_OP_WAIT_DISCONNECT:
    if (status != HSYS_STATUS_SUCCESS || !has_reason)
      complain("refused others", operation, completion, "the connection has no reason to end");
    return;
  case HSYS_OP_CANCEL: {
    auto target = m_operations.find(operation.cancels);
    if (status == HSYS_STATUS_SUCCESS && target != m_operations.end())
      target->second.must_end = true;
    if (status != HSYS_STATUS_SUCCESS && status != HSYS_STATUS_NOT_FOUND)
      complain("refused others", operation, completion, "a CANCEL succeeds or finds nothing");
    return;
  }
  case HSYS_OP_CANCEL_REQUEST:
    m_held.erase(operation.object);
    return;
  default: return configuration_done(operation, completion);
  }
}

// The request may have gone with it; that its body is broken off does not mean that.
void Worker::ended_early(const Operation &operation, hsys_status status)
{
  auto held = m_held.find(operation.object);
  if (held == m_held.end() || is_of_connection(operation.op))
    return;
  if (operation.op == HSYS_OP_RECEIVE_BODY)
    held->second.reads--;
  else if (status != HSYS_STATUS_CANCELLED)
    m_held.erase(held);
  else if (operation.op == HSYS_OP_RECEIVE_REQUEST)
    held->second.is_being_retrieved = false;
}

// "/s3/r17" names site 3 and exchange 17.
static uint32_t number_behind(std::string_view text, std::string_view what)
{
  size_t at = text.find(what);
  return at == std::string_view::npos ? 0 : static_cast<uint32_t>(strtoul(std::string(text.substr(at + what.size())).c_str(), nullptr, 10));
}

void Worker::request_came(const Operation &operation, const Completion &completion)
{
  const hsys_cqe &entry = completion.entry;
  auto status = static_cast<hsys_status>(entry.status);
  bool is_retrieval = operation.object != 0;
  if (is_retrieval && (status == HSYS_STATUS_END_OF_FILE || status == HSYS_STATUS_INVALID_DEVICE_STATE)) {
    complain("refused others", operation, completion, "it was not retrieved before");
  }
  if (status != HSYS_STATUS_SUCCESS && status != HSYS_STATUS_BUFFER_OVERFLOW)
    complain("refused others", operation, completion, "nothing accounts for that");
  if (status == HSYS_STATUS_BUFFER_OVERFLOW) {
    if (operation.out_length >= 16384)
      complain("refused others", operation, completion, "it had room enough");
    // Whose it is shows when it is retrieved; until then it may come to another one, when this one dies.
    if (!is_retrieval && !operation.handle->is_closing)
      m_held.emplace(entry.object_id, Held{nullptr, entry.object_id, entry.aux, operation.handle});
    return;
  }
  hsys_request head{};
  if (completion.output.size() < sizeof head)
    complain("mixed", operation, completion, "its image is shorter than a request");
  std::memcpy(&head, completion.output.data(), sizeof head);
  if (uint64_t{head.raw_url.offset} + head.raw_url.length > completion.output.size() || head.request_id != entry.object_id)
    complain("mixed", operation, completion, "its image contradicts itself");
  std::string url(reinterpret_cast<const char *>(completion.output.data()) + head.raw_url.offset, head.raw_url.length);
  Exchange *exchange = m_simulation.model.find_exchange(number_behind(url, "/r"));
  if (!exchange || !exchange->site || url != fmt::format("{}r{}", exchange->site->path(), exchange->number))
    complain("mixed", operation, completion, ("nobody sent a request for " + url).c_str());
  m_simulation.trace.note("  it is {}", exchange->describe());
  if (exchange->site != operation.handle->site && !exchange->site->is_tried)
    complain("mixed", operation, completion, ("its queue is not that of " + url).c_str());
  if (operation.handle->is_closing) { // it ends, or has gone to another one
    exchange->may_end("its queue's handle was closed");
    return exchange->visit->may_end("its queue's handle was closed");
  }
  if (exchange->is_with_worker)
    complain("twice", operation, completion, (url + " is with a worker already").c_str());
  look_whose(*exchange, operation, completion);
  bool is_body_over = !(head.flags & HSYS_REQUEST_MORE_BODY);
  std::string_view body(reinterpret_cast<const char *>(completion.output.data()) + head.body.offset, head.body.length);
  if (uint64_t{head.body.offset} + head.body.length > completion.output.size() || !is_body(body, exchange->number, 'q', 0))
    complain("mixed", operation, completion, "its body is not what was sent");
  if (body.size() > exchange->request_bytes || (is_body_over && body.size() != exchange->request_bytes))
    complain("mixed", operation, completion, "its body has another length than what was sent");
  exchange->is_with_worker = true;
  exchange->worker = m_number;
  m_held.insert_or_assign(entry.object_id, Held{exchange, entry.object_id, head.connection_id, operation.handle});
  Held &now = m_held.at(entry.object_id);
  now.is_body_over = is_body_over;
  now.read_bytes = body.size();
  m_reaped_requests.push_back(entry.object_id);
}

void Worker::body_came(const Operation &operation, const Completion &completion)
{
  auto status = static_cast<hsys_status>(completion.entry.status);
  const Exchange &exchange = *operation.exchange;
  auto found = m_held.find(operation.object);
  uint64_t read_bytes = found == m_held.end() ? 0 : found->second.read_bytes;
  if (found != m_held.end())
    found->second.reads--;
  if (status == HSYS_STATUS_END_OF_FILE) {
    if (found == m_held.end())
      return;
    found->second.is_body_over = true;
    if (read_bytes != exchange.request_bytes)
      complain("mixed", operation, completion, fmt::format("{} of {} bytes had been read", read_bytes, exchange.request_bytes).c_str());
    return;
  }
  if (status != HSYS_STATUS_SUCCESS)
    complain("refused others", operation, completion, "nothing accounts for that");
  std::string_view body(reinterpret_cast<const char *>(completion.output.data()), completion.output.size());
  if (body.empty() || body.size() > operation.out_length)
    complain("mixed", operation, completion, "it has no bytes, or more than fit");
  if (found == m_held.end())
    return;
  if (!is_body(body, exchange.number, 'q', read_bytes) || read_bytes + body.size() > exchange.request_bytes)
    complain("mixed", operation, completion, "the body is not what was sent");
  found->second.read_bytes += body.size();
}

// A later request of the connection may be for another queue.
bool Worker::is_others(const Operation &operation) const
{
  const Exchange &own = *operation.exchange;
  return std::ranges::any_of(own.visit->exchanges, [&](const Exchange *exchange) {
    return exchange->number > own.number && exchange->site && exchange->site != operation.handle->site;
  });
}

void Worker::certificate_came(const Operation &operation, const Completion &completion)
{
  // That one's was under way all the time.
  const Exchange *others = operation.others;
  if (others && others->is_with_worker && !others->has_response && !others->reason())
    complain("mixed", operation, completion, (others->describe() + " is with another worker").c_str());
  const Visit &visit = *operation.exchange->visit;
  auto status = static_cast<hsys_status>(completion.entry.status);
  bool is_token = operation.flags == HSYS_CERTIFICATE_CHANNEL_TOKEN;
  switch (status) {
  case HSYS_STATUS_SUCCESS:
    if (!visit.is_tls || (!is_token && !visit.has_certificate))
      complain("mixed", operation, completion, "the client has none");
    return;
  case HSYS_STATUS_NOT_FOUND:
    if (visit.is_tls && visit.has_certificate)
      complain("refused others", operation, completion, "the client has one");
    return;
  case HSYS_STATUS_BUFFER_TOO_SMALL:
  case HSYS_STATUS_BUFFER_OVERFLOW:
    if (operation.out_length >= 16384)
      complain("refused others", operation, completion, "it had room enough");
    return;
  case HSYS_STATUS_INVALID_PARAMETER:
    if (!is_token || visit.is_tls)
      complain("refused others", operation, completion, "its flags are good");
    return;
  case HSYS_STATUS_NOT_SUPPORTED:
  case HSYS_STATUS_INSUFFICIENT_RESOURCES:
    if (!visit.is_tls || is_token)
      complain("refused others", operation, completion, "nothing accounts for that");
    return;
  default: complain("refused others", operation, completion, "nothing accounts for that");
  }
}

void Worker::configuration_done(const Operation &operation, const Completion &completion)
{
  const hsys_cqe &entry = completion.entry;
  auto status = static_cast<hsys_status>(entry.status);
  m_called = {entry.status, entry.object_id};
  if (operation.takes)
    return taking_done(operation, completion);
  if (operation.op == HSYS_OP_CREATE_REQUEST_QUEUE && operation.site && !may_open(*operation.site)) {
    if (status == HSYS_STATUS_SUCCESS)
      complain("accepted", operation, completion, "its queue is another user's");
    if (status == HSYS_STATUS_ACCESS_DENIED)
      return;
  }
  if (operation.site)
    operation.site->disturbed_step = m_simulation.step;
  if (operation.site == m_site && m_site && m_site->is_tried && status == HSYS_STATUS_OBJECT_NAME_COLLISION) {
    m_has_url = false;
    return;
  }
  if (operation.op == HSYS_OP_CREATE_REQUEST_QUEUE && operation.site && status == HSYS_STATUS_SUCCESS) {
    m_handles.push_back(std::make_unique<Handle>(Handle{entry.object_id, operation.site}));
    operation.site->open_handles++;
    return;
  }
  // Its owner may have died meanwhile; and what is registered may still be somebody's until its end has gone round.
  bool may_be_gone = operation.site && (status == HSYS_STATUS_OBJECT_NAME_NOT_FOUND || status == HSYS_STATUS_NOT_FOUND);
  bool is_fault = m_simulation.is_faulty && (status == HSYS_STATUS_TOO_MANY_OPENED_FILES || status == HSYS_STATUS_INSUFFICIENT_RESOURCES);
  if (status != HSYS_STATUS_SUCCESS && !may_be_gone && !is_fault)
    complain("refused others", operation, completion, "nothing was wrong with it");
  if (operation.site != m_site || !m_has_url || !m_is_bound || m_handles.front()->is_closing || status != HSYS_STATUS_SUCCESS)
    return;
  auto is_change = [](const auto &pending) { return pending.second.site != nullptr && pending.second.op != HSYS_OP_CREATE_REQUEST_QUEUE; };
  m_site->is_served = std::ranges::none_of(m_operations, is_change);
}

}
