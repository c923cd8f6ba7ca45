// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/sim/sim_engine.h"
#include "kernel/base/verify.h"
#include <algorithm>

namespace httpsys::platform {

static constexpr size_t kReceiveBytes = 16384; // of one completion, as limits::kReceiveBufferBytes
static constexpr size_t kShortBytes = 32;
static constexpr uint32_t kReceivesPerRun = 4; // completions of one receive

SimEngine::~SimEngine()
{
  VERIFY(m_flights.empty());
}

SimEngine::Flight &SimEngine::start(Kind kind, int descriptor, IoOperation &operation)
{
  VERIFY(!operation.is_in_flight() && m_system.m_descriptors.contains(descriptor));
  set_in_flight(operation, true);
  m_system.m_descriptors.at(descriptor).operations++;
  return m_flights.emplace_back(Flight{++m_last, kind, descriptor, &operation, {}});
}

void SimEngine::send(int socket, std::span<const uint8_t> bytes, IoOperation &operation)
{
  VERIFY(!bytes.empty());
  start(Kind::Send, socket, operation).bytes = bytes;
}

void SimEngine::cancel(IoOperation &operation)
{
  VERIFY(operation.is_in_flight());
  for (Flight &flight : m_flights)
    if (flight.operation == &operation)
      cancel(flight);
}

void SimEngine::cancel(Flight &flight)
{
  flight.is_cancelled = true;
  if (flight.kind == Kind::Accept || flight.kind == Kind::AcceptOne)
    m_system.listener_goes(flight.descriptor);
}

SimEngine::Flight *SimEngine::find(uint64_t number)
{
  auto found = std::ranges::find(m_flights, number, &Flight::number);
  return found == m_flights.end() ? nullptr : &*found;
}

std::vector<uint64_t> SimEngine::order()
{
  std::vector<uint64_t> numbers;
  for (Flight &flight : m_flights)
    numbers.push_back(flight.number);
  for (size_t left = numbers.size(); m_system.shuffles && left > 1; left--)
    std::swap(numbers[left - 1], numbers[m_system.random.below(left)]);
  return numbers;
}

uint32_t SimEngine::run_once(Milliseconds)
{
  m_told = 0;
  for (uint64_t number : order())
    for (uint32_t times = 0; times < kReceivesPerRun && complete_one(number);)
      times++;
  tell_left(m_left_data);
  tell_left(m_left);
  return m_told;
}

// It has happened. What the real engine may leave for later turns is told then: receives, sends, and accepts that its ring had no room for.
bool SimEngine::complete(Flight &flight, IoResult result, Bytes bytes)
{
  flight.is_over = !result.more;
  if (!m_system.keeps_back || flight.kind == Kind::Poll || flight.kind == Kind::PollOne) {
    tell(flight, result);
    return true;
  }
  bool has_data = !result.data.empty();
  (has_data || flight.data_left > 0 ? m_left_data : m_left).push_back({flight.number, result, std::move(bytes)});
  flight.data_left += has_data ? 1 : 0;
  return true;
}

// At least one, so that it comes to an end.
void SimEngine::tell_left(std::list<Left> &left)
{
  if (left.empty())
    return;
  Random &random = *m_system.keeps_back;
  for (uint64_t most = random.chance(1, 3) ? left.size() : 1 + random.below(3); most > 0 && !left.empty(); most--) {
    Left first = std::move(left.front());
    left.pop_front();
    Flight &flight = *find(first.number);
    flight.data_left -= first.result.data.empty() ? 0 : 1;
    tell(flight, first.result);
  }
}

void SimEngine::tell(Flight &flight, const IoResult &result)
{
  IoOperation &operation = *flight.operation;
  m_told++;
  if (m_system.on_completion)
    m_system.on_completion("AORSPQL"[static_cast<size_t>(flight.kind)], flight.descriptor, result);
  if ((flight.kind == Kind::Accept || flight.kind == Kind::AcceptOne) && is_success(result.status))
    m_system.accept(static_cast<int>(result.value), flight.descriptor, flight.is_cancelled);
  if (!result.more) {
    set_in_flight(operation, false);
    m_system.m_descriptors.at(flight.descriptor).operations--;
    m_flights.remove_if([&](const Flight &other) { return &other == &flight; });
  }
  operation.on_complete(result);
}

bool SimEngine::complete_one(uint64_t number)
{
  Flight *flight = find(number);
  if (!flight || flight->is_over || m_system.strikes(&SimFaults::is_late))
    return false;
  auto &descriptor = m_system.m_descriptors.at(flight->descriptor);
  bool is_accept = flight->kind == Kind::Accept || flight->kind == Kind::AcceptOne;
  if (is_accept && flight->accepted.empty() && !descriptor.backlog.empty() && m_system.strikes(&SimFaults::accept_fails))
    return complete(*flight, {NtStatus::TooManyOpenedFiles});
  bool fails = m_system.accept_failure != NtStatus::Success;
  // As the kernel does it: all that wait at once, and those are told of even if it is cancelled then.
  if (flight->kind == Kind::Accept && !flight->is_cancelled && !fails)
    flight->accepted.splice(flight->accepted.end(), descriptor.backlog);
  if (!flight->accepted.empty())
    return complete_accept(*flight, flight->accepted, true);
  if (flight->kind != Kind::Send && flight->is_cancelled)
    return complete(*flight, {NtStatus::Cancelled});
  switch (flight->kind) {
  case Kind::Accept:
  case Kind::AcceptOne:
    return fails ? complete(*flight, {m_system.accept_failure}) : complete_accept(*flight, descriptor.backlog, false);
  case Kind::Poll: return complete_poll(*flight, descriptor.control ? *descriptor.control->arrivals : *descriptor.event);
  case Kind::PollOne: return complete_poll_one(*flight, descriptor);
  case Kind::Receive:
  case Kind::ReceiveOne: return complete_receive(*flight, *descriptor.socket);
  case Kind::Send: return complete_send(*flight, *descriptor.socket);
  }
  return false;
}

bool SimEngine::complete_accept(Flight &flight, std::list<int> &waiting, bool more)
{
  if (waiting.empty())
    return false;
  auto socket = static_cast<uint32_t>(waiting.front());
  waiting.pop_front();
  return complete(flight, {NtStatus::Success, socket, more});
}

bool SimEngine::complete_poll(Flight &flight, SimEvent &event)
{
  if (event.signals == 0)
    return false;
  event.signals = 0;
  return complete(flight, {NtStatus::Success, 1, true});
}

// Level-triggered, as it begins in the kernel: nothing is taken.
bool SimEngine::complete_poll_one(Flight &flight, const SimSystem::Descriptor &descriptor)
{
  bool is_ready = descriptor.listens ? !descriptor.backlog.empty() : descriptor.event && descriptor.event->signals > 0;
  return is_ready && complete(flight, {NtStatus::Success, 1});
}

bool SimEngine::complete_receive(Flight &flight, SimSocket &socket)
{
  if (socket.reset_sent)
    return complete(flight, {NtStatus::ConnectionAborted});
  if (socket.to_daemon.empty())
    return socket.fin_sent && complete(flight, {NtStatus::EndOfFile});
  if (m_system.strikes(&SimFaults::receive_ends))
    return complete(flight, {NtStatus::InsufficientResources});
  if (m_system.strikes(&SimFaults::receive_fails)) {
    socket.is_struck = true;
    return complete(flight, {NtStatus::IoDeviceError});
  }
  size_t most = m_system.strikes(&SimFaults::receive_is_short) ? 1 + m_system.random.below(kShortBytes) : kReceiveBytes;
  // A copy of exactly that size, so that a sanitizer sees who keeps the span or reads beyond it.
  auto end = socket.to_daemon.begin() + static_cast<ptrdiff_t>(std::min(socket.to_daemon.size(), most));
  auto bytes = std::make_unique<std::vector<uint8_t>>(socket.to_daemon.begin(), end);
  socket.to_daemon.erase(0, bytes->size());
  IoResult result{NtStatus::Success, static_cast<uint32_t>(bytes->size()), flight.kind == Kind::Receive, *bytes};
  return complete(flight, result, std::move(bytes));
}

bool SimEngine::complete_send(Flight &flight, SimSocket &socket)
{
  if (socket.reset_sent)
    return complete(flight, {NtStatus::ConnectionAborted});
  if (m_system.strikes(&SimFaults::send_fails)) {
    socket.is_struck = true;
    return complete(flight, {NtStatus::InsufficientResources});
  }
  if (!holds_sends) {
    auto part = static_cast<size_t>(std::min<uint64_t>(socket.room, flight.bytes.size()));
    if (m_system.strikes(&SimFaults::send_is_short))
      part = std::min(part, size_t{1} + m_system.random.below(kShortBytes));
    socket.from_daemon.append(reinterpret_cast<const char *>(flight.bytes.data()), part);
    socket.room -= socket.room == UINT64_MAX ? 0 : part;
    if (part > 0)
      return complete(flight, {NtStatus::Success, static_cast<uint32_t>(part)});
  }
  return flight.is_cancelled && complete(flight, {NtStatus::Cancelled});
}

}
