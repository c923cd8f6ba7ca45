// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/log.h"
#include "kernel/io/channel_impl.h"
#include "kernel/io/per_core.h"
#include <algorithm>
#include <unordered_map>

namespace httpsys::io {

static PerCore<std::unordered_map<uint32_t, std::unique_ptr<Channel>>> s_channels;
static ChannelEvents s_events;

void ChannelRegistry::set_events(const ChannelEvents &events)
{
  s_events = events;
}

Channel::Channel(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
Channel::~Channel() = default;

Channel *Channel::find(uint32_t number)
{
  auto &channels = s_channels.here();
  auto found = channels.find(number);
  return found == channels.end() ? nullptr : found->second.get();
}

ChannelAddress Channel::address() const { return m_impl->address; }
SessionId Channel::session() const { return m_impl->session; }
const se::Client &Channel::client() const { return m_impl->client; }
uint32_t Channel::uid() const { return m_impl->peer.uid; }
uint32_t Channel::pid() const { return m_impl->peer.pid; }
const std::string &Channel::program() const { return m_impl->peer.program; }
ob::HandleTable &Channel::handles() { return m_impl->handles; }
ChannelExtension &Channel::extension() { return *m_impl->extension; }
bool Channel::is_ending() const { return m_impl->is_ending; }

void Channel::forward_to_core_0(IrpPtr irp, void (*handler)(IrpPtr))
{
  irp->m_is_with_core_0 = true;
  m_impl->with_core_0++;
  m_impl->for_core_0++;
  forward(std::move(irp), 0, handler);
}

void Channel::forward(IrpPtr irp, ke::CoreId core, void (*handler)(IrpPtr))
{
  ke::Cores::instance().run_on(core, [irp = std::move(irp), handler]() mutable { handler(std::move(irp)); });
}

void Channel::cancel_operations(IrpPtr irp, bool (*wanted)(hsys_op operation))
{
  uint64_t handle = irp->entry().handle, number = irp->m_number;
  m_impl->cancel_in_slices({handle, wanted, number, std::move(irp), 0, {}});
}

bool Channel::is_cancelling(const Irp &irp) const { return m_impl->is_cancelling(irp); }

uint32_t Channel::received_up_to()
{
  // Nothing counts that comes after the client was told of the end.
  if (!m_impl->is_ending && m_impl->is_sealed && !m_impl->completions.refresh_head())
    m_impl->revoke(HSYS_REVOKED_CQ_INDEX, "cq_head moved back or past cq_tail");
  return m_impl->completions.admission().head();
}

// Where no layer above keeps anything.
class NoExtension final : public ChannelExtension {
  void on_delivery_published(uint64_t, uint32_t, bool) override {}
  bool on_session_end(uint32_t) override { return true; }
};

static RingPlace submission_place(const hsys_geometry &geometry, uint32_t first_index)
{
  return {offsetof(hsys_upage, sq_tail), geometry.sq_offset, geometry.sq_entries, sizeof(hsys_sqe), first_index};
}

static RingPlace return_place(const hsys_geometry &geometry, uint32_t first_index)
{
  return {offsetof(hsys_upage, ret_tail), geometry.ret_offset, geometry.ret_entries, sizeof(uint32_t), first_index};
}

static RingProducer::Place completion_place(const hsys_geometry &geometry, uint32_t first_index, mm::SharedRegion &ktou)
{
  uint8_t *base = ktou.daemon_bytes().data();
  auto &page = *reinterpret_cast<hsys_kpage *>(base);
  return {offsetof(hsys_upage, cq_head), offsetof(hsys_upage, cq_wake), base + geometry.cq_offset, &page.cq_tail, geometry.cq_entries,
          first_index};
}

static uint32_t most_handles()
{
  return static_cast<uint32_t>(std::min<uint64_t>(se::shares().handles.process, limits::kHandlesCeiling));
}

Channel::Impl::Impl(ChannelBirth birth)
    : address(birth.address), session(birth.session), is_in_vain(std::move(birth.is_in_vain)), peer(std::move(birth.peer)),
      client(birth.client), waiting_output(std::move(birth.waiting_output)), geometry(birth.geometry),
      ktou(std::move(birth.ktou)), utok(std::move(birth.utok)),
      kpage(*reinterpret_cast<hsys_kpage *>(ktou->daemon_bytes().data())), doorbell(*this, birth.kick, birth.bell, peer.uid),
      submissions(utok, submission_place(geometry, birth.first_index), &kpage.sq_head, &kpage.sq_wake),
      returns(utok, return_place(geometry, birth.first_index), &kpage.ret_head, &kpage.ret_wake),
      completions(utok, completion_place(geometry, birth.first_index, *ktou)), slots(geometry.cq_entries), arena(geometry.rx_bytes),
      handles(most_handles(), birth.first_handle_generation)
{
}

Channel::Impl::~Impl()
{
  VERIFY(completions.admission().in_flight() == 0 && !Poller::is_linked() && !Timer::is_set() && !Flushable::is_linked());
}

void Channel::Impl::start(Channel &own_channel)
{
  channel = &own_channel;
  if (auto make = registrations().make_extension)
    extension = make(own_channel);
  else
    extension = std::make_unique<NoExtension>();
  doorbell.start();
}

void ChannelRegistry::create(ChannelBirth birth)
{
  uint32_t number = birth.address.number;
  auto impl = std::make_unique<Channel::Impl>(std::move(birth));
  Channel::Impl &made = *impl;
  auto &place = s_channels.here()[number];
  VERIFY(!place);
  place.reset(new Channel(std::move(impl)));
  made.start(*place);
}

void ChannelRegistry::end(uint32_t number)
{
  if (Channel *channel = Channel::find(number))
    channel->m_impl->end();
}

void ChannelRegistry::run_down(uint32_t number)
{
  Channel::find(number)->m_impl->run_down(); // it lives until it is run down
}

void ChannelRegistry::drain(uint32_t number)
{
  if (Channel *channel = Channel::find(number))
    channel->m_impl->drain();
}

void ChannelRegistry::destroy(uint32_t number)
{
  auto &channels = s_channels.here();
  auto found = channels.find(number);
  VERIFY(found != channels.end());
  SessionId session = found->second->session();
  channels.erase(found);
  ke::Cores::instance().run_on(0, [session] { s_events.gone(session); });
}

void ChannelRegistry::add_stats(hsys_control_stats &stats)
{
  for (auto &[number, channel] : s_channels.here()) {
    Channel::Impl &impl = *channel->m_impl;
    stats.channels++;
    stats.irps_pending += impl.completions.admission().in_flight();
    stats.blocks_lent += impl.arena.loans();
    stats.handles += impl.handles.count();
  }
  stats.irps_total += Channel::Impl::operations_here();
}

void ChannelRegistry::for_each(const std::function<void(const Channel::Impl &)> &visit)
{
  for (auto &[number, channel] : s_channels.here())
    visit(*channel->m_impl);
}

// One turn of the core's loop. Disarmed first, so that a client that sees us awake saves its kick.
bool Channel::Impl::poll()
{
  disarm();
  if (is_revoked)
    return false;
  uint32_t work = take_returned_blocks();
  work += !serve_waiting();
  if (!cancellations.empty()) {
    work++;
    if (!has_cancelled)
      cancel_slice();
  }
  work += take_entries();
  has_cancelled = false;
  if (work > 0)
    empty_polls = 0;
  else if (++empty_polls >= limits::kEmptyPollsUntilCold)
    go_cold();
  return work > 0;
}

// A client that could take pages of its half away would make whoever reads them wait for as long as it takes to do so.
void Channel::Impl::on_kick()
{
  if (!is_sealed && !is_revoked) {
    if (!utok.is_sealed())
      return revoke(HSYS_REVOKED_UNSEALED, "it kicked before it had sealed its half of the channel");
    return pin();
  }
  poll_soon();
}

// While the kernel moves pages of it whoever touches one waits: nothing is read before they are kept from that, which may take as long.
void Channel::Impl::pin()
{
  if (std::exchange(is_pinning, true))
    return;
  ke::Cores::instance().run_on_memory_helper(peer.uid, [memory = utok.region(), home = address, in_vain = is_in_vain]() mutable {
    const NtStatus status = *in_vain ? NtStatus::Cancelled : memory->pin().error();
    memory = nullptr;
    ke::Cores::instance().run_on(home.core, [number = home.number, status] {
      if (Channel *pinned = Channel::find(number))
        pinned->m_impl->pinned(status);
    });
  });
}

void Channel::Impl::pinned(NtStatus status)
{
  if (is_ending || is_revoked || status == NtStatus::Cancelled) // it is soon
    return;
  if (status == NtStatus::NoMemory)
    return revoke(HSYS_REVOKED_UNSEALED, "there is no memory for what it had taken out of its half of the channel before it sealed that");
  if (status != NtStatus::Success)
    log(LogCause::process(peer.uid), "pid {} ({}, uid {}) can make this process wait for memory that it shares with it ({})", peer.pid,
        peer.program, peer.uid, status_name(status));
  is_sealed = true;
  poll_soon();
}

bool Channel::Impl::before_sleep()
{
  return is_revoked || arm();
}

void Channel::Impl::make_hot()
{
  empty_polls = 0;
  if (!Poller::is_linked() && !is_revoked && !is_ending)
    ke::Core::current().add_poller(*this);
}

// Timers run behind the pollers of their turn, and a core may sleep with pollers that had nothing to do: a new one is polled before.
void Channel::Impl::poll_soon()
{
  if (Poller::is_linked())
    ke::Core::current().remove_poller(*this);
  make_hot();
}

void Channel::Impl::go_cold()
{
  if (arm())
    ke::Core::current().remove_poller(*this);
}

bool Channel::Impl::arm()
{
  // What the client has submitted is served before it is waited for; without credit only reaping helps, and nothing
  // tells when that happens.
  if (!cancellations.empty() || (!lacks_credit && submissions.available() > 0))
    return false;
  if (!submissions.arm())
    return false;
  doorbell.note_armed();
  if (waiting.empty())
    return true;
  if (!returns.arm()) {
    submissions.disarm();
    return false;
  }
  doorbell.note_armed();
  return true;
}

void Channel::Impl::disarm()
{
  submissions.disarm();
  returns.disarm();
}

void Channel::Impl::flush()
{
  bool ring = is_sealed && completions.publish();
  if ((ring || std::exchange(bell_wanted, false)) && !doorbell.ring())
    revoke(HSYS_REVOKED_BELL, "its bell is watched in so many places that it takes too long to ring it");
}

void Channel::Impl::on_timer()
{
  if (!is_ending)
    return poll_soon();
  log(LogCause::process(peer.uid), "channel {} of pid {} ({}) ended {} s ago, but {} operations have not come back",
      address.number, peer.pid, peer.program,
      limits::kRundownWarningMilliseconds / 1000, completions.admission().in_flight());
}

// A protocol error (trust rule T6). The session ends the channel when it has told the client.
void Channel::Impl::revoke(hsys_revocation reason, std::string detail)
{
  if (is_revoked || is_ending)
    return;
  is_revoked = true;
  log(LogCause::process(peer.uid), "pid {} ({}, uid {}) is cut off: {}", peer.pid, peer.program, peer.uid, detail);
  __atomic_store_n(&kpage.reason, static_cast<uint32_t>(reason), __ATOMIC_RELAXED);
  __atomic_store_n(&kpage.state, static_cast<uint32_t>(HSYS_CHANNEL_REVOKED), __ATOMIC_SEQ_CST);
  bell_wanted = true;
  ke::Core::current().request_flush(*this);
  ke::Cores::instance().post(0, [owner = session, reason] { s_events.revoked(owner, reason); });
}

}
