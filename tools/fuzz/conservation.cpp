// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/conservation.h"
#include "kernel/io/channel_impl.h"
#include "kernel/io/irp_queue.h"
#include "kernel/io/session.h"
#include "kernel/ns/namespace.h"
#include "kernel/queue/queue_registry.h"
#include "tools/fuzz/finding.h"
#include <fmt/format.h>
#include <unordered_map>

namespace httpsys::fuzz {

using io::WaitingOutput;

static void require_sound(const char *unsound, const std::string &whose)
{
  if (unsound)
    throw Finding{"not conserved", fmt::format("{}: {} are not as many as are counted", whose, unsound)};
}

template <typename Visit>
static void for_each_channel(uint32_t cores, Visit visit)
{
  for (ke::CoreId core = 0; core < cores; core++) {
    ke::Core::Scope scope(ke::Cores::instance().core(core));
    io::ChannelRegistry::for_each(visit);
  }
}

void check_conservation(uint32_t cores)
{
  std::unordered_map<const WaitingOutput::Total *, uint64_t> waiting;
  uint64_t in_flight = 0, parked = 0, handles = 0;
  for_each_channel(cores, [&](const io::Channel::Impl &channel) {
    require_sound(channel.unsound(), fmt::format("channel {}", channel.address.number));
    uint64_t bytes = 0;
    for (const auto &done : channel.waiting)
      bytes += done.completion.output.size();
    for (const WaitingOutput::Total *total : channel.waiting_output.totals())
      waiting[total] += bytes;
    in_flight += channel.completions.admission().in_flight();
    handles += channel.handles.count();
  });
  for (const auto &[total, bytes] : waiting)
    require_sound(*total == bytes ? nullptr : "bytes of results that wait for a block", "a user, a process or all");
  for (ke::CoreId core = 0; core < cores; core++) {
    ke::Core::Scope scope(ke::Cores::instance().core(core));
    parked += io::IrpQueue::parked_here();
  }
  require_sound(parked <= in_flight ? nullptr : "parked operations", "all channels");
  ke::Core::Scope scope(ke::Cores::instance().core(0));
  require_sound(io::SessionManager::instance().unsound(), "all sessions");
  require_sound(ns::Namespace::unsound(), "all sessions");
  require_sound(queue::QueueRegistry::instance().unsound(), "all sessions");
  // One that is given or closed may be on its way between two cores.
  require_sound(handles <= queue::QueueRegistry::instance().handle_count() ? nullptr : "handles", "all channels");
}

void check_arenas(uint32_t cores)
{
  for_each_channel(cores, [&](const io::Channel::Impl &channel) {
    require_sound(channel.arena.is_sound() ? nullptr : "lent and free blocks", fmt::format("channel {}", channel.address.number));
  });
}

void check_handles(uint32_t cores)
{
  uint64_t handles = 0;
  for_each_channel(cores, [&](const io::Channel::Impl &channel) { handles += channel.handles.count(); });
  require_sound(handles == queue::QueueRegistry::instance().handle_count() ? nullptr : "handles", "all channels");
}

std::optional<ChannelFacts> channel_facts(uint32_t cores, uint64_t session)
{
  std::optional<ChannelFacts> facts;
  for_each_channel(cores, [&](const io::Channel::Impl &channel) {
    if (channel.session == session && !channel.is_ending && !channel.is_revoked)
      facts = ChannelFacts{channel.arena.loans(), channel.completions.admission().in_flight()};
  });
  return facts;
}

}
