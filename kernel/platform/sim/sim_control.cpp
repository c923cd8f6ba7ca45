// SPDX-License-Identifier: GPL-3.0-or-later
// The control socket of a SimSystem.
#include "kernel/base/verify.h"
#include "kernel/platform/sim/sim_system.h"
#include <algorithm>

namespace httpsys::platform {

Result<int> SimSystem::listen_control(const std::string &, std::string &reason)
{
  if (std::ranges::any_of(m_descriptors, [](const auto &entry) { return entry.second.listens_for_control; })) {
    reason = "the simulated system has one control socket";
    return NtStatus::SharingViolation;
  }
  Descriptor listener;
  listener.listens_for_control = true;
  return add(std::move(listener));
}

std::shared_ptr<SimControl> SimSystem::connect_control(const PeerCredentials &peer)
{
  for (auto &[number, listener] : m_descriptors) {
    if (!listener.listens_for_control)
      continue;
    Descriptor accepted;
    accepted.control = std::make_shared<SimControl>();
    accepted.control->peer = peer;
    auto control = accepted.control;
    listener.backlog.push_back(add(std::move(accepted)));
    return control;
  }
  return nullptr;
}

Result<PeerCredentials> SimSystem::peer_credentials(int socket)
{
  return control(socket).peer;
}

Result<int> SimSystem::peer_process(int socket)
{
  if (strikes(&SimFaults::call_fails))
    return NtStatus::NotSupported;
  Descriptor made;
  made.event = control(socket).process;
  return add(std::move(made));
}

Result<ControlPacket> SimSystem::receive_control(int socket, size_t maximum)
{
  SimControl &peer = control(socket);
  if (peer.to_daemon.empty())
    return peer.has_ended || peer.is_shut ? NtStatus::EndOfFile : NtStatus::NotFound;
  ControlPacket packet;
  SimControl::Packet &first = peer.to_daemon.front();
  if (first.has_descriptors) {
    packet.had_descriptors = true;
    return packet;
  }
  if (first.bytes.empty())
    return NtStatus::EndOfFile;
  packet.truncated = first.bytes.size() > maximum;
  packet.bytes.assign(first.bytes.begin(), first.bytes.begin() + static_cast<ptrdiff_t>(std::min(first.bytes.size(), maximum)));
  peer.to_daemon.pop_front();
  return packet;
}

void SimSystem::shut_control(int socket)
{
  SimControl &peer = control(socket);
  peer.is_shut = true;
  peer.arrivals->signals++;
}

void SimSystem::close_control(int socket, uint32_t)
{
  close(socket);
}

NtStatus SimSystem::send_control(int socket, std::span<const uint8_t> bytes, std::span<const int> descriptors)
{
  SimControl &peer = control(socket);
  if (peer.has_ended || peer.is_shut)
    return NtStatus::ConnectionAborted;
  if (peer.from_daemon.size() >= peer.room)
    return NtStatus::InsufficientResources;
  std::vector<int> memory;
  std::vector<std::shared_ptr<SimEvent>> events;
  for (int descriptor : descriptors) {
    auto found = m_descriptors.find(descriptor);
    if (found == m_descriptors.end())
      memory.push_back(descriptor);
    else
      events.push_back(found->second.event);
  }
  if (!descriptors.empty() && peer.take_descriptors)
    peer.take_descriptors(memory, events);
  peer.from_daemon.emplace_back(bytes.begin(), bytes.end());
  return NtStatus::Success;
}

}
