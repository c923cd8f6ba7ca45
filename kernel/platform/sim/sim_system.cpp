// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/sim/sim_system.h"
#include "kernel/base/verify.h"
#include <algorithm>

namespace httpsys::platform {

SimSystem::~SimSystem()
{
  VERIFY(m_descriptors.empty());
}

int SimSystem::add(Descriptor descriptor)
{
  m_descriptors.emplace(m_next, std::move(descriptor));
  return m_next++;
}

bool SimSystem::strikes(uint32_t SimFaults::*fault)
{
  return faults.*fault > 0 && random.chance(faults.*fault, 65536);
}

static bool collide(const Endpoint &one, const Endpoint &other)
{
  return one.port == other.port && one.address.is_v6 == other.address.is_v6 &&
         (one.address == other.address || one.address.is_any() || other.address.is_any());
}

Result<int> SimSystem::listen_tcp(const Endpoint &endpoint, std::span<const int> beside)
{
  if (endpoint.address.is_v6 && !has_ipv6)
    return NtStatus::InvalidAddressComponent;
  if (strikes(&SimFaults::call_fails))
    return NtStatus::TooManyOpenedFiles;
  for (const Endpoint &other : busy)
    if (collide(other, endpoint))
      return NtStatus::SharingViolation;
  for (auto &[number, descriptor] : m_descriptors)
    if (descriptor.listens && collide(*descriptor.listens, endpoint) && std::ranges::find(beside, number) == beside.end())
      return NtStatus::SharingViolation;
  Descriptor listener;
  listener.listens = endpoint;
  return add(std::move(listener));
}

bool SimSystem::listens(const Endpoint &endpoint) const
{
  return std::ranges::any_of(m_descriptors, [&](const auto &entry) { return entry.second.listens && *entry.second.listens == endpoint; });
}

size_t SimSystem::backlog() const
{
  size_t count = 0;
  for (auto &[number, descriptor] : m_descriptors)
    count += descriptor.backlog.size();
  return count;
}

std::shared_ptr<SimSocket> SimSystem::connect(const Endpoint &to, const Endpoint &from)
{
  Descriptor *nearest = nullptr; // that of its own address before that of all
  for (auto &[number, listener] : m_descriptors)
    if (listener.listens && collide(*listener.listens, to) && (!nearest || *listener.listens == to))
      nearest = &listener;
  if (!nearest)
    return nullptr;
  Descriptor accepted;
  accepted.socket = std::make_shared<SimSocket>();
  accepted.socket->local = to;
  accepted.socket->remote = from;
  auto socket = accepted.socket;
  nearest->backlog.push_back(add(std::move(accepted)));
  return socket;
}

void SimSystem::fill_random(std::span<uint8_t> bytes)
{
  for (uint8_t &byte : bytes)
    byte = static_cast<uint8_t>(random.next());
}

Result<Endpoint> SimSystem::local_endpoint(int socket)
{
  const Descriptor &descriptor = m_descriptors.at(socket);
  return descriptor.listens ? *descriptor.listens : descriptor.socket->local;
}

Result<Endpoint> SimSystem::remote_endpoint(int socket)
{
  Descriptor &descriptor = m_descriptors.at(socket);
  descriptor.is_served = true;
  if (descriptor.socket->reset_sent)
    return NtStatus::ConnectionInvalid;
  return descriptor.socket->remote;
}

static void end_connection(SimSocket &socket, bool resets)
{
  socket.is_closed = true;
  // As the kernel does: unread bytes make it a reset.
  if (resets || !socket.to_daemon.empty())
    socket.reset_received = true;
  else
    socket.fin_received = true;
}

void SimSystem::accept(int descriptor, int listener, bool listener_goes)
{
  Descriptor &accepted = m_descriptors.at(descriptor);
  accepted.accepted_by = listener;
  if (accepted.socket)
    accepted.socket->is_accepted = !listener_goes;
}

void SimSystem::listener_goes(int listener)
{
  for (const std::shared_ptr<SimSocket> &socket : m_closed_unserved[listener])
    socket->is_accepted = false;
  m_closed_unserved.erase(listener);
}

void SimSystem::close(int descriptor)
{
  auto found = m_descriptors.find(descriptor);
  VERIFY(found != m_descriptors.end() && found->second.operations == 0);
  Descriptor closed = std::move(found->second);
  m_descriptors.erase(found);
  for (int waiting : closed.backlog) {
    m_descriptors.at(waiting).resets = true;
    close(waiting);
  }
  if (closed.socket && !closed.is_served) {
    if (m_descriptors.contains(closed.accepted_by))
      m_closed_unserved[closed.accepted_by].push_back(closed.socket);
    else
      closed.socket->is_accepted = false;
  }
  if (closed.listens)
    listener_goes(descriptor);
  if (closed.socket)
    end_connection(*closed.socket, closed.resets);
  if (closed.control)
    closed.control->is_shut = closed.control->is_closed = true;
}

void SimSystem::shutdown_send(int socket)
{
  m_descriptors.at(socket).socket->fin_received = true;
}

void SimSystem::set_reset_on_close(int socket)
{
  m_descriptors.at(socket).resets = true;
}

Result<int> SimSystem::create_event()
{
  if (strikes(&SimFaults::call_fails))
    return NtStatus::TooManyOpenedFiles;
  Descriptor made;
  made.event = std::make_shared<SimEvent>();
  return add(std::move(made));
}

Result<std::pair<int, int>> SimSystem::create_bell()
{
  int write_end = TRY(create_event());
  Descriptor read_end;
  read_end.event = m_descriptors.at(write_end).event;
  return std::pair(add(std::move(read_end)), write_end);
}

uint64_t SimSystem::ring_bell(int write_end, bool)
{
  m_descriptors.at(write_end).event->signals++;
  return 0;
}

void SimSystem::signal(int event)
{
  m_descriptors.at(event).event->signals++;
}

}
