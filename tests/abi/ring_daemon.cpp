// SPDX-License-Identifier: GPL-3.0-or-later
// A daemon of platform, ke, mm, ob and io alone, with operations that show what io does: it parks them, sends them from
// core to core, hands out blocks. For the tests of the ring ABI.
//
//   ring_daemon --socket PATH [--cores N] [--first-index N] [--open]     --open: every user may connect
//
// SIGTERM ends all sessions and the daemon, exit 0; SIGINT drains.
//
//   CREATE_REQUEST_QUEUE  a handle whose home is the next core in turn
//   RECEIVE_REQUEST       parks on the handle's home core
//   CANCEL_REQUEST        completes the oldest receive parked there with object_id bytes of output, "delivering" request object_id
//   WAIT_DISCONNECT       object_id 1 + N: parks on core N; 256: goes from core to core until it is cancelled; 257: as 256, but not parked:
//                         ends with Success 1000 steps after CANCEL
//   SEND_RESPONSE         parks on the channel's core
//   RECEIVE_BODY          out_length bytes, all with the low byte of object_id
//   SEND_BODY             comes back from the next core with a copy of the bytes that its extents name
//   ADMIN echo WORDS FILES, report, lines N
#include "kernel/base/log.h"
#include "kernel/io/channel.h"
#include "kernel/io/irp_queue.h"
#include "kernel/io/per_core.h"
#include "kernel/io/session.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/linux/process.h"
#include "kernel/platform/linux/uring_engine.h"
#include "uapi/response.h"
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <map>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::io;

static constexpr uint64_t kTravels = 256, kTravelsUnparked = 257;
static constexpr uint32_t kUnparkedSteps = 1000;

// Counts of what the layers above were told; any core adds.
static struct {
  std::atomic<uint64_t> handles_closed, sessions_ended, received, not_received, unpublished, cancelled;
} s_report;

static ke::CoreId next_core(ke::CoreId core)
{
  return (core + 1) % ke::Cores::instance().count();
}

class Deliveries final : public ChannelExtension {
public:
  std::map<uint64_t, std::optional<uint32_t>> requests; // by id: the index of the entry

private:
  void on_delivery_published(uint64_t request_id, uint32_t cq_index, bool) override { requests[request_id] = cq_index; }
  bool on_session_end(uint32_t received_up_to) override
  {
    for (auto &[id, index] : requests) {
      if (!index)
        s_report.unpublished++;
      else if (static_cast<int32_t>(*index - received_up_to) < 0)
        s_report.received++;
      else
        s_report.not_received++;
    }
    return true;
  }
};

class Counting final : public IrpQueue::CancelHandler {
  void on_irp_cancelled(IrpQueue &, IrpPtr irp) override
  {
    s_report.cancelled++;
    complete(std::move(irp), NtStatus::Cancelled);
  }
};

static Counting s_counting;
struct CoreState {
  std::map<uint64_t, std::unique_ptr<IrpQueue>> receives; // by queue
  IrpQueue waits{&s_counting};
};
static PerCore<CoreState> s_state;

static IrpQueue &receives_of(uint64_t queue)
{
  auto &place = s_state.here().receives[queue];
  if (!place)
    place = std::make_unique<IrpQueue>(&s_counting);
  return *place;
}

static void create_queue(Channel &channel, IrpPtr irp)
{
  static std::atomic<uint64_t> last{0};
  ob::HandleTarget target;
  target.queue = ++last;
  target.home_core = static_cast<ke::CoreId>(target.queue % ke::Cores::instance().count());
  auto handle = channel.handles().add(target);
  if (handle.is_error())
    return complete(std::move(irp), handle.error(), "the session has 4096 handles, and may have 4096 (kHandlesCeiling)");
  complete(std::move(irp), completion_with_id(*handle));
}

static void receive(Channel &channel, IrpPtr irp)
{
  ke::CoreId home = irp->target().home_core;
  channel.forward(std::move(irp), home, [](IrpPtr parked) { receives_of(parked->target().queue).park(std::move(parked)); });
}

// On the receive's channel.
static void deliver(IrpPtr irp, uint64_t id)
{
  Channel &channel = *Channel::find(irp->channel().number);
  if (channel.is_ending())
    return complete(std::move(irp), NtStatus::Cancelled);
  static_cast<Deliveries &>(channel.extension()).requests[id] = std::nullopt;
  IrpCompletion completion = completion_with_id(id);
  completion.output.assign(id, static_cast<uint8_t>(id));
  completion.information = id;
  completion.delivers_request = true;
  complete(std::move(irp), std::move(completion));
}

static void deliver_oldest(Channel &channel, IrpPtr irp)
{
  if (irp->entry().object_id > HSYS_BLOCK_MAX)
    return complete(std::move(irp), NtStatus::InvalidParameter, "no block is so large");
  ke::CoreId home = irp->target().home_core;
  channel.forward(std::move(irp), home, [](IrpPtr asking) {
    auto parked = receives_of(asking->target().queue).take_first();
    uint64_t id = asking->entry().object_id;
    if (!parked)
      return complete(std::move(asking), NtStatus::NotFound, "no receive is parked");
    ke::CoreId core = parked->channel().core;
    ke::Cores::instance().run_on(core, [parked = std::move(parked), id]() mutable { deliver(std::move(parked), id); });
    complete(std::move(asking), NtStatus::Success);
  });
}

// Parks for one turn of the loop, then goes on to the next core.
static void travel(IrpPtr irp)
{
  auto &core = ke::Core::current();
  ChannelAddress channel = irp->channel();
  uint32_t id = irp->entry().irp_id;
  IrpQueue &waits = s_state.here().waits;
  waits.park(std::move(irp));
  ke::Cores::instance().post(core.id(), [channel, id] {
    IrpQueue &parked = s_state.here().waits;
    for (Irp *each = parked.first(); each; each = parked.next(*each)) {
      if (each->channel() == channel && each->entry().irp_id == id) {
        ke::CoreId next = next_core(ke::Core::current().id());
        ke::Cores::instance().post(next, [taken = parked.take(*each)]() mutable { travel(std::move(taken)); });
        return;
      }
    }
  });
}

static void travel_unparked(IrpPtr irp, uint32_t steps)
{
  if (steps == 0)
    return complete(std::move(irp), NtStatus::Success);
  if (irp->is_cancel_requested())
    steps--;
  ke::Cores::instance().post(next_core(ke::Core::current().id()),
                             [irp = std::move(irp), steps]() mutable { travel_unparked(std::move(irp), steps); });
}

static void wait_disconnect(Channel &channel, IrpPtr irp)
{
  uint64_t place = irp->entry().object_id;
  if (place == kTravels)
    return travel(std::move(irp));
  if (place == kTravelsUnparked)
    return travel_unparked(std::move(irp), kUnparkedSteps);
  if (place == 0 || place > ke::Cores::instance().count())
    return complete(std::move(irp), NtStatus::ConnectionInvalid, "there is no core of that number");
  channel.forward(std::move(irp), static_cast<ke::CoreId>(place - 1), [](IrpPtr parked) { s_state.here().waits.park(std::move(parked)); });
}

static void receive_body(Channel &, IrpPtr irp)
{
  if (irp->entry().out_length > HSYS_BLOCK_MAX)
    return complete(std::move(irp), NtStatus::InvalidParameter, "no block is so large");
  IrpCompletion completion;
  completion.output.assign(irp->entry().out_length, static_cast<uint8_t>(irp->entry().object_id));
  completion.information = completion.output.size();
  complete(std::move(irp), std::move(completion));
}

static void echo(IrpPtr irp)
{
  hsys_send_body head;
  auto parameters = irp->parameters();
  std::memcpy(&head, parameters.data(), sizeof head);
  IrpCompletion completion;
  for (uint32_t index = 0; index < head.extent_count && index < HSYS_EXTENTS_MAX; index++) {
    hsys_extent extent;
    uint64_t offset = head.extent_offset + uint64_t{index} * sizeof extent;
    if (offset + sizeof extent > parameters.size())
      return complete(std::move(irp), NtStatus::InvalidParameter, "the list of extents lies outside of the parameter block");
    std::memcpy(&extent, parameters.data() + offset, sizeof extent);
    auto bytes = irp->extent(extent.offset, extent.length);
    if (!bytes)
      return complete(std::move(irp), NtStatus::InvalidParameter, "an extent lies outside of the send arena");
    completion.output.insert(completion.output.end(), bytes->begin(), bytes->end());
  }
  if (completion.output.size() > HSYS_BLOCK_MAX)
    return complete(std::move(irp), NtStatus::InvalidParameter, "no block is so large");
  completion.information = completion.output.size();
  complete(std::move(irp), std::move(completion));
}

static void send_body(Channel &channel, IrpPtr irp)
{
  channel.forward(std::move(irp), next_core(channel.address().core), echo);
}

static void administer(std::vector<std::string> words, std::vector<AdminFile> files, AdminAnswer answer)
{
  if (words.empty())
    return answer(87, 2, "no command");
  if (words[0] == "report")
    return answer(0, 0, fmt::format("handles closed {}\nsessions ended {}\nreceived {}\nnot received {}\nunpublished {}\ncancelled {}\n",
                                    s_report.handles_closed, s_report.sessions_ended, s_report.received, s_report.not_received,
                                    s_report.unpublished, s_report.cancelled));
  std::string text;
  if (words[0] == "lines")
    for (int count = std::atoi(words.at(1).c_str()); count > 0; count--)
      text += "a line of forty characters, newline too\n";
  else
    for (size_t index = 1; index < words.size(); index++)
      text += words[index] + '\n';
  for (auto &file : files)
    text.append(file.tag).append(": ").append(file.contents).append("\n");
  // Later, as commands that wait for a disk.
  auto later = std::make_shared<std::pair<std::string, AdminAnswer>>(std::move(text), std::move(answer));
  ke::Cores::instance().post(0, [later] { later->second(0, 0, std::move(later->first)); });
}

static void register_operations()
{
  register_operation(HSYS_OP_CREATE_REQUEST_QUEUE, create_queue);
  register_operation(HSYS_OP_RECEIVE_REQUEST, receive);
  register_operation(HSYS_OP_CANCEL_REQUEST, deliver_oldest);
  register_operation(HSYS_OP_WAIT_DISCONNECT, wait_disconnect);
  register_operation(HSYS_OP_RECEIVE_BODY, receive_body);
  register_operation(HSYS_OP_SEND_BODY, send_body);
  register_operation(HSYS_OP_SEND_RESPONSE, [](Channel &, IrpPtr irp) { s_state.here().waits.park(std::move(irp)); });
  register_operation(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, [](Channel &channel, IrpPtr irp) {
    channel.cancel_operations(std::move(irp), [](hsys_op operation) { return operation == HSYS_OP_RECEIVE_REQUEST; });
  });
  register_extension([](Channel &) -> std::unique_ptr<ChannelExtension> { return std::make_unique<Deliveries>(); });
  register_handle_closed([](Channel &, uint64_t, const ob::HandleTarget &) { s_report.handles_closed++; });
  register_session_ended([](SessionId) { s_report.sessions_ended++; });
  register_admin(administer);
}

static Result<std::unique_ptr<platform::IoEngine>> make_engine(ke::CoreId)
{
  std::string reason;
  auto engine = platform::make_uring_engine({}, reason);
  if (engine.is_error())
    log("{}", reason);
  return engine;
}

struct Options {
  std::string socket;
  uint32_t cores = 1;
  uint32_t first_index = 0;
  bool is_open = false;
};

static Options parse(int count, char **words)
{
  Options options;
  for (int index = 1; index < count; index++) {
    std::string word = words[index];
    if (word == "--open")
      options.is_open = true;
    else if (index + 1 < count && word == "--socket")
      options.socket = words[++index];
    else if (index + 1 < count && word == "--cores")
      options.cores = static_cast<uint32_t>(std::strtoul(words[++index], nullptr, 0));
    else if (index + 1 < count && word == "--first-index")
      options.first_index = static_cast<uint32_t>(std::strtoul(words[++index], nullptr, 0));
  }
  return options;
}

static void serve(const Options &options, int signals)
{
  std::string listen_reason;
  int listener = MUST(platform::system().listen_control(options.socket, listen_reason));
  std::promise<void> listening;
  ke::Cores::instance().post(0, [&] {
    SessionManager::Settings settings;
    settings.epoch = static_cast<uint64_t>(platform::system().wall_clock_seconds());
    settings.daemon_uid = getuid();
    settings.daemon_pid = static_cast<uint32_t>(getpid());
    settings.first_index = options.first_index;
    SessionManager::instance().start(listener, settings);
    listening.set_value();
  });
  listening.get_future().get();
  std::string reason;
  if (platform::publish_control_socket(options.socket, reason).is_error()) {
    log("{}", reason);
    std::exit(1);
  }
  if (options.is_open)
    chmod(options.socket.c_str(), 0777);
  for (int taken = 0; taken != SIGTERM;) {
    pollfd item{signals, POLLIN, 0};
    poll(&item, 1, -1);
    taken = platform::take_signal(signals).value_or(0);
    if (taken == SIGINT)
      ke::Cores::instance().post(0, [] { SessionManager::instance().drain(); });
  }
  std::promise<void> stopped;
  ke::Cores::instance().post(0, [&] { SessionManager::instance().stop([&] { stopped.set_value(); }); });
  stopped.get_future().get();
  platform::remove_control_socket(options.socket);
}

int main(int count, char **words)
{
  Options options = parse(count, words);
  prctl(PR_SET_PDEATHSIG, SIGKILL); // a test that hangs is ended, with whatever it has started
  static platform::LinuxSystem system;
  platform::set_system(system);
  MUST(system.start_closer());
  std::string reason;
  int signals = MUST(platform::make_signal_descriptor(reason));
  MUST(mm::SharedRegion::self_test());
  register_operations();
  platform::raise_descriptor_limit();
  ke::Cores cores(options.cores);
  if (cores.start(make_engine).is_error())
    return 1;
  serve(options, signals);
  cores.stop_and_join();
  return 0;
}
