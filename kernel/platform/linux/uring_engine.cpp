// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/uring_engine.h"
#include "kernel/base/log.h"
#include "kernel/platform/linux/errno_map.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/platform/slice.h"
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <deque>
#include <fstream>
#include <iterator>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace httpsys::platform {

static_assert(!IO_URING_CHECK_VERSION(2, 15)); // true means older

namespace {

constexpr unsigned kSetupFlags =
  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
  IORING_SETUP_R_DISABLED;
constexpr unsigned kFeatures = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL | IORING_FEAT_POLL_32BITS;
constexpr unsigned short kBufferGroup = 0;

// user_data is the operation's address with its kind in the low bits, so that a completion can be told apart without a
// look at the operation; kind 0 is the engine's own.
enum class Kind : uint64_t { Own, Accept, Receive, Send, Poll };
constexpr uint64_t kKindMask = 7;
constexpr uint64_t kIgnored = 0; // answers to cancellations
constexpr uint64_t kWake = 8;
static_assert(alignof(IoOperation) > kKindMask);
// An operation's engine_word: its kind, and so many of these as completions with its data wait.
constexpr uint64_t kOneWaits = kKindMask + 1;
// What is left for later turns. Data: what holds a buffer, and the end of an operation of which such is there.
enum LeftKind : size_t { kLeftData, kLeftSends, kLeftReceives, kLeftKinds };

IoOperation &operation_of(uint64_t data)
{
  return *reinterpret_cast<IoOperation *>(data & ~kKindMask);
}

class UringEngine final : public IoEngine {
public:
  explicit UringEngine(const UringSettings &settings) : m_settings(settings) {}
  ~UringEngine() override;
  Result<void> open(std::string &reason);

  void accept_multishot(int listener, IoOperation &operation) override
  {
    io_uring_sqe &entry = start(operation, Kind::Accept);
    io_uring_prep_multishot_accept(&entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
    entry.user_data = user_data(operation, Kind::Accept);
  }

  void accept_one(int listener, IoOperation &operation) override
  {
    io_uring_sqe &entry = start(operation, Kind::Accept);
    io_uring_prep_accept(&entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
    entry.user_data = user_data(operation, Kind::Accept);
  }

  void receive_multishot(int socket, IoOperation &operation) override
  {
    io_uring_sqe &entry = start(operation, Kind::Receive);
    io_uring_prep_recv_multishot(&entry, socket, nullptr, 0, 0);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = kBufferGroup;
    entry.user_data = user_data(operation, Kind::Receive);
  }

  void receive_one(int socket, IoOperation &operation) override
  {
    io_uring_sqe &entry = start(operation, Kind::Receive);
    io_uring_prep_recv(&entry, socket, nullptr, m_settings.receive_buffer_bytes, 0);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = kBufferGroup;
    entry.user_data = user_data(operation, Kind::Receive);
  }

  // WRITE, for SEND can name an address and connect to it (MSG_FASTOPEN), which neither seccomp nor Landlock sees.
  void send(int socket, std::span<const uint8_t> bytes, IoOperation &operation) override
  {
    VERIFY(!bytes.empty() && bytes.size() <= INT_MAX); // a completion counts in an int
    io_uring_sqe &entry = start(operation, Kind::Send);
    io_uring_prep_write(&entry, socket, bytes.data(), static_cast<unsigned>(bytes.size()), 0);
    entry.user_data = user_data(operation, Kind::Send);
  }

  void poll_multishot(int descriptor, IoOperation &operation) override
  {
    io_uring_sqe &entry = start(operation, Kind::Poll);
    io_uring_prep_poll_multishot(&entry, descriptor, POLLIN | POLLRDHUP);
    entry.user_data = user_data(operation, Kind::Poll);
  }

  void poll_one(int descriptor, IoOperation &operation) override
  {
    io_uring_sqe &entry = start(operation, Kind::Poll);
    io_uring_prep_poll_add(&entry, descriptor, POLLIN | POLLRDHUP);
    entry.user_data = user_data(operation, Kind::Poll);
  }

  // Can't hit a later operation at the same address: that one is behind us in the submission queue.
  void cancel(IoOperation &operation) override
  {
    VERIFY(operation.is_in_flight());
    io_uring_sqe &entry = next_entry();
    io_uring_prep_cancel64(&entry, user_data(operation, static_cast<Kind>(engine_word(operation) & kKindMask)), 0);
    entry.user_data = kIgnored;
  }

  uint32_t run_once(Milliseconds deadline) override;
  bool has_left() const override { return !std::ranges::all_of(m_left, [](auto &kind) { return kind.empty(); }); }
  void wake() override;

private:
  struct Completion { uint64_t data; int32_t value; uint32_t flags; };
  static uint64_t user_data(IoOperation &operation, Kind kind)
  {
    return reinterpret_cast<uint64_t>(&operation) | static_cast<uint64_t>(kind);
  }
  io_uring_sqe &start(IoOperation &operation, Kind kind);
  io_uring_sqe &next_entry();
  void submit_spilled();
  void arm_wake();
  Result<void> make_receive_buffers(std::string &reason);
  void enter(Milliseconds deadline);
  void check_entered(int result) const;
  uint32_t handle_completions();
  void leave(const Completion &completion);
  uint32_t handle_left();
  bool handle(const Completion &completion);
  IoResult result_of(Kind kind, int32_t value, uint32_t flags) const;
  void return_buffer(uint32_t number);
  size_t buffer_bytes() const { return size_t{m_settings.receive_buffers} * m_settings.receive_buffer_bytes; }

  UringSettings m_settings;
  io_uring m_ring{};
  bool m_open = false;
  io_uring_buf_ring *m_buffer_ring = nullptr;
  uint8_t *m_buffers = nullptr;
  std::deque<io_uring_sqe> m_spilled; // entries that the kernel had no memory for, in order
  // Of receives and sends, for this turn and the next ones; of each operation in order.
  std::array<std::deque<Completion>, kLeftKinds> m_left;
  size_t m_next_left = 0; // kind
  int m_wake_event = -1;
  std::atomic<bool> m_waiting{false}, m_wake_requested{false};
};

io_uring_sqe &UringEngine::start(IoOperation &operation, Kind kind)
{
  VERIFY(!operation.is_in_flight());
  set_in_flight(operation, true);
  engine_word(operation) = static_cast<uint64_t>(kind);
  return next_entry();
}

// The entry is cleared, but its user_data is the caller's to set, after the prep call.
io_uring_sqe &UringEngine::next_entry()
{
  if (m_spilled.empty()) {
    io_uring_sqe *entry = io_uring_get_sqe(&m_ring);
    if (!entry) {
      check_entered(io_uring_submit(&m_ring));
      entry = io_uring_get_sqe(&m_ring);
    }
    if (entry)
      return *entry;
  }
  m_spilled.emplace_back();
  return m_spilled.back();
}

void UringEngine::submit_spilled()
{
  while (!m_spilled.empty()) {
    io_uring_sqe *entry = io_uring_get_sqe(&m_ring);
    if (!entry)
      return;
    *entry = m_spilled.front();
    m_spilled.pop_front();
  }
}

void UringEngine::arm_wake()
{
  io_uring_sqe &entry = next_entry();
  io_uring_prep_poll_multishot(&entry, m_wake_event, POLLIN);
  entry.user_data = kWake;
}

void UringEngine::check_entered(int result) const
{
  // Interrupted, out of time, or short of memory for now: go on. Anything else is our own mistake (EEXIST: the wrong
  // thread) or lost completions (EBADR).
  VERIFY(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY || result == -ENOMEM);
}

void UringEngine::enter(Milliseconds deadline)
{
  submit_spilled();
  io_uring_cqe *first = nullptr;
  if (deadline == kNever) {
    check_entered(io_uring_submit_and_wait(&m_ring, 1));
    return;
  }
  if (deadline != 0) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto seconds = static_cast<int64_t>(deadline / 1000) - now.tv_sec;
    const int64_t left = seconds * 1'000'000'000 + static_cast<int64_t>(deadline % 1000) * 1'000'000 - now.tv_nsec;
    if (left > 0) {
      __kernel_timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
      check_entered(io_uring_submit_and_wait_timeout(&m_ring, &first, 1, &timeout, nullptr));
      return;
    }
  }
  // The kernel says in the ring when it has something that only an enter brings out.
  const unsigned flags = __atomic_load_n(m_ring.sq.kflags, __ATOMIC_RELAXED);
  if (io_uring_sq_ready(&m_ring) || (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)))
    check_entered(io_uring_submit_and_get_events(&m_ring));
}

uint32_t UringEngine::run_once(Milliseconds deadline)
{
  if (deadline != 0 && !has_left()) {
    // With wake(): both sides store, then load, sequentially consistent, so that one of them sees the other.
    m_waiting.store(true, std::memory_order_seq_cst);
    enter(m_wake_requested.load(std::memory_order_seq_cst) ? 0 : deadline);
    m_waiting.store(false, std::memory_order_relaxed);
    m_wake_requested.exchange(false, std::memory_order_acq_rel);
  } else {
    enter(0);
  }
  return handle_completions();
}

void UringEngine::wake()
{
  if (m_wake_requested.exchange(true, std::memory_order_seq_cst) || !m_waiting.load(std::memory_order_seq_cst))
    return;
  const uint64_t one = 1;
  // Nobody reads the event: its poll is edge-triggered, and 2^64 wake-ups do not fit into a daemon's life.
  VERIFY(write(m_wake_event, &one, sizeof one) == sizeof one);
}

// The ring is emptied in every turn: what a client kicks for stands in it behind all receives and sends, which the network can make many.
uint32_t UringEngine::handle_completions()
{
  uint32_t handled = 0;
  // Only those that are there now: handlers may cause more, and the core has other things to look at.
  for (unsigned in_ring = io_uring_cq_ready(&m_ring); in_ring > 0; in_ring--) {
    io_uring_cqe *entry = nullptr;
    if (io_uring_peek_cqe(&m_ring, &entry) != 0)
      break;
    const Completion completion{entry->user_data, entry->res, entry->flags};
    io_uring_cqe_seen(&m_ring, entry);
    const auto kind = static_cast<Kind>(completion.data & kKindMask);
    if (kind == Kind::Receive || kind == Kind::Send)
      leave(completion);
    else
      handled += handle(completion);
  }
  return handled + handle_left();
}

void UringEngine::leave(const Completion &completion)
{
  uint64_t &word = engine_word(operation_of(completion.data));
  const bool has_buffer = completion.flags & IORING_CQE_F_BUFFER;
  const bool is_send = (word & kKindMask) == static_cast<uint64_t>(Kind::Send);
  m_left[has_buffer || word >= kOneWaits ? kLeftData : is_send ? kLeftSends : kLeftReceives].push_back(completion);
  word += has_buffer ? kOneWaits : 0;
}

// One of each kind in turn: whoever has had a buffer asks for the next behind a receive that has found none, and neither makes sends wait.
uint32_t UringEngine::handle_left()
{
  uint32_t handled = 0;
  Slice slice(m_settings.completions_per_turn, limits::kCompletionsPerLook, monotonic_milliseconds);
  for (; has_left() && slice.take(); m_next_left = (m_next_left + 1) % kLeftKinds) {
    while (m_left[m_next_left].empty())
      m_next_left = (m_next_left + 1) % kLeftKinds;
    const Completion completion = m_left[m_next_left].front();
    m_left[m_next_left].pop_front();
    handled += handle(completion);
  }
  return handled;
}

bool UringEngine::handle(const Completion &completion)
{
  const auto [data, value, flags] = completion;
  if ((data & kKindMask) == static_cast<uint64_t>(Kind::Own)) {
    if (data == kWake && !(flags & IORING_CQE_F_MORE))
      arm_wake();
    return false;
  }
  IoOperation &operation = operation_of(data);
  const IoResult result = result_of(static_cast<Kind>(data & kKindMask), value, flags);
  engine_word(operation) -= flags & IORING_CQE_F_BUFFER ? kOneWaits : 0;
  if (!result.more)
    set_in_flight(operation, false);
  operation.on_complete(result);
  // The operation may be gone. Its bytes are still ours.
  if (flags & IORING_CQE_F_BUFFER)
    return_buffer(flags >> IORING_CQE_BUFFER_SHIFT);
  return true;
}

IoResult UringEngine::result_of(Kind kind, int32_t value, uint32_t flags) const
{
  IoResult result;
  result.more = flags & IORING_CQE_F_MORE;
  if (value < 0) {
    result.status = status_from_errno(-value);
    return result;
  }
  result.value = static_cast<uint32_t>(value);
  if (kind == Kind::Receive) {
    if (value == 0)
      result.status = NtStatus::EndOfFile;
    else
      result.data = {m_buffers + size_t{flags >> IORING_CQE_BUFFER_SHIFT} * m_settings.receive_buffer_bytes, result.value};
  }
  return result;
}

void UringEngine::return_buffer(uint32_t number)
{
  io_uring_buf_ring_add(m_buffer_ring, m_buffers + size_t{number} * m_settings.receive_buffer_bytes, m_settings.receive_buffer_bytes,
    static_cast<unsigned short>(number), io_uring_buf_ring_mask(m_settings.receive_buffers), 0);
  io_uring_buf_ring_advance(m_buffer_ring, 1);
}

std::string first_line(const char *path)
{
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

bool runs_filtered()
{
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Seccomp:"))
      return line.back() == '2';
  }
  return false;
}

struct Operation {
  uint8_t number;
  const char *name;
};
// All that a ring ever does. A seccomp filter does not see what is asked of a ring, so the ring itself refuses everything else.
constexpr Operation kOperations[] = {{IORING_OP_ACCEPT, "ACCEPT"},
                                     {IORING_OP_RECV, "RECV"},
                                     {IORING_OP_WRITE, "WRITE"},
                                     {IORING_OP_POLL_ADD, "POLL_ADD"},
                                     {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"}};
constexpr uint8_t kRegistrations[] = {IORING_REGISTER_SYNC_CANCEL, IORING_UNREGISTER_PBUF_RING}; // once it runs: at its end

// Name of the first operation that the kernel lacks, or null.
const char *missing_operation(io_uring &ring)
{
  io_uring_probe *probe = io_uring_get_probe_ring(&ring);
  if (!probe)
    return "PROBE";
  const char *missing = nullptr;
  for (auto [number, name] : kOperations) {
    if (!missing && !io_uring_opcode_supported(probe, number))
      missing = name;
  }
  io_uring_free_probe(probe);
  return missing;
}

// Of a ring that is not enabled yet. 0 or an errno.
int restrict_ring(io_uring &ring)
{
  std::vector<io_uring_restriction> allowed;
  for (auto [number, name] : kOperations) {
    allowed.push_back({});
    allowed.back().opcode = IORING_RESTRICTION_SQE_OP;
    allowed.back().sqe_op = number;
  }
  for (uint8_t number : kRegistrations) {
    allowed.push_back({});
    allowed.back().opcode = IORING_RESTRICTION_REGISTER_OP;
    allowed.back().register_op = number;
  }
  allowed.push_back({});
  allowed.back().opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  allowed.back().sqe_flags = IOSQE_BUFFER_SELECT;
  return -io_uring_register_restrictions(&ring, allowed.data(), static_cast<unsigned>(allowed.size()));
}

// must_limit false: a kernel that cannot is good enough; try_restricted_ring() tells of it.
Result<void> limit_and_enable(io_uring &ring, bool must_limit, std::string &reason)
{
  if (int error = restrict_ring(ring); error != 0 && (must_limit || error != EINVAL)) {
    reason = fmt::format("io_uring cannot be limited to its operations: {}", std::strerror(error));
    return status_from_errno(error);
  }
  if (int error = -io_uring_enable_rings(&ring)) {
    reason = fmt::format("io_uring cannot be enabled: {}", std::strerror(error));
    return status_from_errno(error);
  }
  return {};
}

Result<void> UringEngine::open(std::string &reason)
{
  VERIFY(std::has_single_bit(m_settings.receive_buffers) && m_settings.receive_buffers <= 32768);
  io_uring_params parameters{};
  parameters.flags = kSetupFlags;
  parameters.cq_entries = m_settings.completion_entries;
  // No NO_SQARRAY: liburing tries it and falls back by itself, but not for those who ask (liburing.md 4.1).
  if (int error = -io_uring_queue_init_params(m_settings.submission_entries, &m_ring, &parameters)) {
    reason = describe_uring_failure(error, first_line("/proc/sys/kernel/io_uring_disabled"), runs_filtered());
    return status_from_errno(error);
  }
  m_open = true;
  if ((parameters.features & kFeatures) != kFeatures) {
    reason = fmt::format("io_uring of this kernel lacks features ({:#x} of {:#x}); Linux 6.1 or later is needed",
      parameters.features & kFeatures, kFeatures);
    return NtStatus::NotSupported;
  }
  if (const char *name = missing_operation(m_ring)) {
    reason = fmt::format("io_uring of this kernel lacks the operation {}; Linux 6.1 or later is needed", name);
    return NtStatus::NotSupported;
  }
  TRY(make_receive_buffers(reason));
  TRY(limit_and_enable(m_ring, false, reason));
  m_wake_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (m_wake_event < 0) {
    reason = fmt::format("cannot make an eventfd: {}", std::strerror(errno));
    return status_from_errno(errno);
  }
  arm_wake();
  return {};
}

Result<void> UringEngine::make_receive_buffers(std::string &reason)
{
  void *memory = mmap(nullptr, buffer_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    reason = fmt::format("no memory for {} receive buffers of {} bytes", m_settings.receive_buffers, m_settings.receive_buffer_bytes);
    return NtStatus::NoMemory;
  }
  madvise(memory, buffer_bytes(), MADV_DONTDUMP); // requests of strangers
  m_buffers = static_cast<uint8_t *>(memory);
  int error = 0;
  m_buffer_ring = io_uring_setup_buf_ring(&m_ring, m_settings.receive_buffers, kBufferGroup, 0, &error);
  if (!m_buffer_ring) {
    reason = fmt::format("io_uring refuses {} provided buffers: {}", m_settings.receive_buffers, std::strerror(-error));
    return status_from_errno(-error);
  }
  for (uint32_t number = 0; number < m_settings.receive_buffers; number++)
    return_buffer(number);
  return {};
}

UringEngine::~UringEngine()
{
  if (m_open) {
    // So that nothing of this ring touches a buffer or holds a socket when we are gone. Best effort: what does not end
    // in time ends with the ring.
    io_uring_submit(&m_ring);
    io_uring_sync_cancel_reg all{};
    all.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
    all.timeout.tv_sec = 1;
    io_uring_register_sync_cancel(&m_ring, &all);
    io_uring_get_events(&m_ring);
    for (io_uring_cqe *entry = nullptr; io_uring_peek_cqe(&m_ring, &entry) == 0; io_uring_cqe_seen(&m_ring, entry)) {
      if ((entry->user_data & kKindMask) == static_cast<uint64_t>(Kind::Accept) && entry->res >= 0)
        ::close(entry->res); // accepted, and nobody will ever hear of it
    }
    if (m_buffer_ring)
      io_uring_free_buf_ring(&m_ring, m_buffer_ring, m_settings.receive_buffers, kBufferGroup);
    io_uring_queue_exit(&m_ring);
  }
  if (m_buffers)
    munmap(m_buffers, buffer_bytes());
  if (m_wake_event >= 0)
    ::close(m_wake_event);
}

}

Result<std::unique_ptr<IoEngine>> make_uring_engine(const UringSettings &settings, std::string &reason)
{
  auto engine = std::make_unique<UringEngine>(settings);
  TRY(engine->open(reason));
  return std::unique_ptr<IoEngine>(std::move(engine));
}

uint32_t uring_operations()
{
  return static_cast<uint32_t>(std::size(kOperations));
}

namespace {

// A ring that is limited as an engine's is; must_limit as in limit_and_enable().
class LimitedRing {
public:
  ~LimitedRing()
  {
    if (m_open)
      io_uring_queue_exit(&m_ring);
  }
  Result<void> open(bool must_limit, std::string &reason);
  // 0 when the operation was done, otherwise its errno.
  template <typename Prepare>
  int try_operation(Prepare prepare);

private:
  io_uring m_ring{};
  bool m_open = false;
};

Result<void> LimitedRing::open(bool must_limit, std::string &reason)
{
  io_uring_params parameters{};
  parameters.flags = kSetupFlags & ~IORING_SETUP_CQSIZE;
  if (int error = -io_uring_queue_init_params(1, &m_ring, &parameters)) {
    reason = describe_uring_failure(error, first_line("/proc/sys/kernel/io_uring_disabled"), runs_filtered());
    return status_from_errno(error);
  }
  m_open = true;
  return limit_and_enable(m_ring, must_limit, reason);
}

template <typename Prepare>
int LimitedRing::try_operation(Prepare prepare)
{
  io_uring_cqe *completion = nullptr;
  prepare(io_uring_get_sqe(&m_ring));
  int error = -io_uring_submit_and_wait(&m_ring, 1);
  if (error > 0)
    return error;
  if (io_uring_peek_cqe(&m_ring, &completion) != 0)
    return EIO;
  error = completion->res < 0 ? -completion->res : 0;
  io_uring_cqe_seen(&m_ring, completion);
  return error;
}

}

Result<void> try_restricted_ring(std::string &reason)
{
  LimitedRing ring;
  TRY(ring.open(true, reason));
  if (ring.try_operation(io_uring_prep_nop) == EACCES)
    return {};
  reason = "a limited ring does what it should refuse";
  return NtStatus::IoDeviceError;
}

Result<int> try_other_operation()
{
  LimitedRing ring;
  std::string reason;
  TRY(ring.open(false, reason));
  return ring.try_operation(io_uring_prep_nop);
}

Result<int> try_connecting_through_ring(int socket, const sockaddr_in &address)
{
  LimitedRing ring;
  std::string reason;
  TRY(ring.open(false, reason));
  const char byte = 'x';
  const int error = ring.try_operation([&](io_uring_sqe *entry) {
    io_uring_prep_connect(entry, socket, reinterpret_cast<const sockaddr *>(&address), sizeof address);
  });
  return error != EACCES ? error : ring.try_operation([&](io_uring_sqe *entry) {
    io_uring_prep_sendto(entry, socket, &byte, 1, MSG_FASTOPEN, reinterpret_cast<const sockaddr *>(&address), sizeof address);
  });
}

}
