// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support/fake_platform.h"
#include "kernel/base/verify.h"
#include <algorithm>

namespace httpsys::test {

static constexpr size_t kReceiveBytes = 16384; // of one completion, as limits::kReceiveBufferBytes
static constexpr uint32_t kReceivesPerRun = 4; // completions of one receive

FakeSystem::~FakeSystem()
{
  VERIFY(m_descriptors.empty());
}

int FakeSystem::add(Descriptor descriptor)
{
  m_descriptors.emplace(m_next, std::move(descriptor));
  return m_next++;
}

static bool collide(const Endpoint &one, const Endpoint &other)
{
  return one.port == other.port && one.address.is_v6 == other.address.is_v6 &&
         (one.address == other.address || one.address.is_any() || other.address.is_any());
}

Result<int> FakeSystem::listen_tcp(const Endpoint &endpoint)
{
  if (endpoint.address.is_v6 && !has_ipv6)
    return NtStatus::InvalidAddressComponent;
  for (const Endpoint &other : busy)
    if (collide(other, endpoint))
      return NtStatus::SharingViolation;
  for (auto &[number, descriptor] : m_descriptors)
    if (descriptor.listens && collide(*descriptor.listens, endpoint))
      return NtStatus::SharingViolation;
  Descriptor listener;
  listener.listens = endpoint;
  return add(std::move(listener));
}

bool FakeSystem::listens(const Endpoint &endpoint) const
{
  return std::ranges::any_of(m_descriptors, [&](const auto &entry) { return entry.second.listens && *entry.second.listens == endpoint; });
}

size_t FakeSystem::backlog() const
{
  size_t count = 0;
  for (auto &[number, descriptor] : m_descriptors)
    count += descriptor.backlog.size();
  return count;
}

std::shared_ptr<FakeSocket> FakeSystem::connect(const Endpoint &to, const Endpoint &from)
{
  for (auto &[number, listener] : m_descriptors) {
    if (!listener.listens || !collide(*listener.listens, to))
      continue;
    Descriptor accepted;
    accepted.socket = std::make_shared<FakeSocket>();
    accepted.socket->local = to;
    accepted.socket->remote = from;
    auto socket = accepted.socket;
    listener.backlog.push_back(add(std::move(accepted)));
    return socket;
  }
  return nullptr;
}

void FakeSystem::fill_random(std::span<uint8_t> bytes)
{
  for (uint8_t &byte : bytes)
    byte = static_cast<uint8_t>(m_random());
}

Result<Endpoint> FakeSystem::local_endpoint(int socket)
{
  const Descriptor &descriptor = m_descriptors.at(socket);
  return descriptor.listens ? *descriptor.listens : descriptor.socket->local;
}

Result<Endpoint> FakeSystem::remote_endpoint(int socket)
{
  const FakeSocket &found = *m_descriptors.at(socket).socket;
  if (found.reset_sent)
    return NtStatus::ConnectionInvalid;
  return found.remote;
}

void FakeSystem::close(int descriptor)
{
  auto found = m_descriptors.find(descriptor);
  VERIFY(found != m_descriptors.end() && found->second.operations == 0);
  Descriptor closed = std::move(found->second);
  m_descriptors.erase(found);
  for (int waiting : closed.backlog) {
    m_descriptors.at(waiting).resets = true;
    close(waiting);
  }
  if (!closed.socket)
    return;
  FakeSocket &socket = *closed.socket;
  socket.is_closed = true;
  // As the kernel does: unread bytes make it a reset.
  if (closed.resets || !socket.to_daemon.empty())
    socket.reset_received = true;
  else
    socket.fin_received = true;
}

void FakeSystem::shutdown_send(int socket)
{
  m_descriptors.at(socket).socket->fin_received = true;
}

void FakeSystem::set_reset_on_close(int socket)
{
  m_descriptors.at(socket).resets = true;
}

Result<int> FakeSystem::create_event()
{
  return add({});
}

Result<std::pair<int, int>> FakeSystem::create_bell()
{
  int read_end = add({}), write_end = add({});
  return std::pair(read_end, write_end);
}

void FakeSystem::ring_bell(int write_end)
{
  m_descriptors.at(write_end).signals++;
}

void FakeSystem::signal(int event)
{
  m_descriptors.at(event).signals++;
}

FakeEngine::~FakeEngine()
{
  VERIFY(m_flights.empty());
}

FakeEngine::Flight &FakeEngine::start(Kind kind, int descriptor, platform::IoOperation &operation)
{
  VERIFY(!operation.is_in_flight() && m_system.m_descriptors.contains(descriptor));
  set_in_flight(operation, true);
  m_system.m_descriptors.at(descriptor).operations++;
  return m_flights.emplace_back(Flight{++m_last, kind, descriptor, &operation, {}});
}

void FakeEngine::send(int socket, std::span<const uint8_t> bytes, platform::IoOperation &operation)
{
  VERIFY(!bytes.empty());
  start(Kind::Send, socket, operation).bytes = bytes;
}

void FakeEngine::cancel(platform::IoOperation &operation)
{
  VERIFY(operation.is_in_flight());
  for (Flight &flight : m_flights)
    if (flight.operation == &operation)
      flight.is_cancelled = true;
}

FakeEngine::Flight *FakeEngine::find(uint64_t number)
{
  auto found = std::ranges::find(m_flights, number, &Flight::number);
  return found == m_flights.end() ? nullptr : &*found;
}

uint32_t FakeEngine::run_once(platform::Milliseconds)
{
  std::vector<uint64_t> numbers;
  for (Flight &flight : m_flights)
    numbers.push_back(flight.number);
  uint32_t handled = 0;
  for (uint64_t number : numbers)
    for (uint32_t times = 0; times < kReceivesPerRun && complete_one(number); times++)
      handled++;
  return handled;
}

bool FakeEngine::complete(Flight &flight, platform::IoResult result)
{
  platform::IoOperation &operation = *flight.operation;
  if (!result.more) {
    set_in_flight(operation, false);
    m_system.m_descriptors.at(flight.descriptor).operations--;
    m_flights.remove_if([&](const Flight &other) { return &other == &flight; });
  }
  operation.on_complete(result);
  return true;
}

bool FakeEngine::complete_one(uint64_t number)
{
  Flight *flight = find(number);
  if (!flight)
    return false;
  auto &descriptor = m_system.m_descriptors.at(flight->descriptor);
  // As the kernel does it: all that wait at once, and those are told of even if it is cancelled then.
  if (flight->kind == Kind::Accept && !flight->is_cancelled && m_system.accept_failure == NtStatus::Success)
    flight->accepted.splice(flight->accepted.end(), descriptor.backlog);
  if (!flight->accepted.empty()) {
    int socket = flight->accepted.front();
    flight->accepted.pop_front();
    return complete(*flight, {NtStatus::Success, static_cast<uint32_t>(socket), true});
  }
  if (flight->kind != Kind::Send && flight->is_cancelled)
    return complete(*flight, {NtStatus::Cancelled});
  switch (flight->kind) {
  case Kind::Accept:
  case Kind::AcceptOne: {
    if (m_system.accept_failure != NtStatus::Success)
      return complete(*flight, {m_system.accept_failure});
    if (descriptor.backlog.empty())
      return false;
    auto socket = static_cast<uint32_t>(descriptor.backlog.front());
    descriptor.backlog.pop_front();
    return complete(*flight, {NtStatus::Success, socket, false});
  }
  case Kind::Poll:
    if (descriptor.signals == 0)
      return false;
    descriptor.signals = 0;
    return complete(*flight, {NtStatus::Success, 1, true});
  case Kind::Receive: return complete_receive(*flight, *descriptor.socket);
  case Kind::Send: return complete_send(*flight, *descriptor.socket);
  }
  return false;
}

bool FakeEngine::complete_receive(Flight &flight, FakeSocket &socket)
{
  if (socket.reset_sent)
    return complete(flight, {NtStatus::ConnectionAborted});
  if (socket.to_daemon.empty())
    return socket.fin_sent && complete(flight, {NtStatus::EndOfFile});
  // A copy of exactly that size, so that a sanitizer sees who keeps the span or reads beyond it.
  auto bytes = std::make_unique<std::vector<uint8_t>>(socket.to_daemon.begin(),
                                                      socket.to_daemon.begin() +
                                                          static_cast<ptrdiff_t>(std::min(socket.to_daemon.size(), kReceiveBytes)));
  socket.to_daemon.erase(0, bytes->size());
  return complete(flight, {NtStatus::Success, static_cast<uint32_t>(bytes->size()), true, *bytes});
}

bool FakeEngine::complete_send(Flight &flight, FakeSocket &socket)
{
  if (socket.reset_sent)
    return complete(flight, {NtStatus::ConnectionAborted});
  if (!holds_sends) {
    auto part = static_cast<size_t>(std::min<uint64_t>(socket.room, flight.bytes.size()));
    socket.from_daemon.append(reinterpret_cast<const char *>(flight.bytes.data()), part);
    socket.room -= socket.room == UINT64_MAX ? 0 : part;
    flight.bytes = flight.bytes.subspan(part);
    flight.sent += static_cast<uint32_t>(part);
  }
  if (flight.bytes.empty())
    return complete(flight, {NtStatus::Success, flight.sent});
  return flight.is_cancelled && complete(flight, {NtStatus::Cancelled, flight.sent});
}

}
