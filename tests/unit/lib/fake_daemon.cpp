// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/lib/fake_daemon.h"
#include "uapi/response.h"
#include "uapi/ring_inline.h"
#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

constexpr int kDataOperations[] = {HSYS_OP_RECEIVE_REQUEST, HSYS_OP_RECEIVE_BODY, HSYS_OP_SEND_RESPONSE, HSYS_OP_SEND_BODY,
                                   HSYS_OP_RECEIVE_CERTIFICATE, HSYS_OP_WAIT_DISCONNECT};
constexpr uint64_t kEpoch = 0x1122334455667788, kSession = 7;
constexpr uint32_t kNoIndex = ~0u;

struct Row {
  const char *name;
  uint32_t in_min, in_max, op_flags, traits;
};

const Row *row_of(uint8_t op)
{
  switch (op) {
#define HSYS_OP(name, number, handle, object, in_min, in_max, op_flags, traits)                 \
  case number: {                                                                                \
    static const Row row{#name, in_min, in_max, static_cast<uint32_t>(op_flags), traits};       \
    return &row;                                                                                \
  }
#include "uapi/ops.def"
#undef HSYS_OP
  default:
    return nullptr;
  }
}

void close_descriptor(int &descriptor)
{
  if (descriptor >= 0)
    close(descriptor);
  descriptor = -1;
}

}

FakeDaemon::FakeDaemon(FakeOptions options) : m_options(std::move(options))
{
  m_path = m_options.path.empty() ? m_folder / "fake.sock" : m_options.path;
  m_is_paused = m_options.is_lazy;
  m_listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  m_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, m_path.c_str(), sizeof address.sun_path - 1);
  unlink(m_path.c_str());
  if (bind(m_listener, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0 || listen(m_listener, 8) != 0)
    throw std::runtime_error("the fake daemon cannot listen on " + m_path);
  for (int op : kDataOperations)
    set_default(op);
  m_thread = std::thread([this] { run(); });
}

FakeDaemon::~FakeDaemon()
{
  {
    std::lock_guard lock(m_mutex);
    m_is_stopping = true;
  }
  wake();
  m_thread.join();
  close_session();
  close_descriptor(m_listener);
  close_descriptor(m_wake);
  unlink(m_path.c_str());
}

void FakeDaemon::on(hsys_op op, Handler handler)
{
  std::lock_guard lock(m_mutex);
  m_handlers[op] = std::move(handler);
}

void FakeDaemon::forget(hsys_op op)
{
  std::lock_guard lock(m_mutex);
  set_default(op);
}

void FakeDaemon::set_default(int op)
{
  m_handlers.erase(op);
  if (std::ranges::find(kDataOperations, op) != std::end(kDataOperations))
    m_handlers[op] = nullptr;
}

void FakeDaemon::answer(hsys_op op, FakeReply reply)
{
  on(op, [reply](FakeDaemon &daemon, const FakeOperation &operation) { daemon.complete(operation.entry.irp_id, reply); });
}

void FakeDaemon::park(hsys_op op)
{
  on(op, nullptr);
}

void FakeDaemon::post(std::function<void()> command)
{
  {
    std::lock_guard lock(m_mutex);
    m_commands.push_back(std::move(command));
  }
  wake();
}

void FakeDaemon::wake()
{
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(m_wake, &one, sizeof one);
}

void FakeDaemon::complete(uint32_t irp_id, FakeReply reply)
{
  post([this, irp_id, reply = std::move(reply)] {
    auto found = m_in_use.find(HSYS_IRP_SLOT(irp_id));
    if (found == m_in_use.end() || found->second.first != irp_id || found->second.second != kNoIndex)
      return;
    for (auto &pending : m_completions)
      if (pending.first == irp_id)
        return;
    {
      std::lock_guard lock(m_mutex);
      if (auto parked = find_parked(irp_id); parked != m_parked.end())
        m_parked.erase(parked);
    }
    m_completions.emplace_back(irp_id, reply);
  });
}

bool FakeDaemon::wait_for(std::function<bool()> condition)
{
  std::unique_lock lock(m_mutex);
  return m_changed.wait_for(lock, 60s, condition);
}

FakeOperation FakeDaemon::wait_parked(hsys_op op, size_t index)
{
  FakeOperation found;
  auto find = [&] {
    size_t at = 0;
    for (auto &operation : m_parked) {
      if (operation.entry.op == op && at++ == index) {
        found = operation;
        return true;
      }
    }
    return false;
  };
  if (!wait_for(find))
    throw std::runtime_error(std::string("no parked operation ") + row_of(static_cast<uint8_t>(op))->name);
  return found;
}

size_t FakeDaemon::parked(hsys_op op)
{
  std::lock_guard lock(m_mutex);
  return static_cast<size_t>(
    std::count_if(m_parked.begin(), m_parked.end(), [&](const FakeOperation &operation) { return operation.entry.op == op; }));
}

size_t FakeDaemon::seen(hsys_op op)
{
  std::lock_guard lock(m_mutex);
  return m_seen[op];
}

std::vector<std::string> FakeDaemon::violations()
{
  std::lock_guard lock(m_mutex);
  return m_violations;
}

void FakeDaemon::violation(std::string text)
{
  std::lock_guard lock(m_mutex);
  if (!m_is_damaged)
    m_violations.push_back(std::move(text));
}

// The daemon takes returned blocks when it looks at the channel, not before.
uint32_t FakeDaemon::blocks_lent()
{
  uint32_t lent = 0;
  bool is_done = false;
  post([&] {
    if (m_utok.base)
      take_returns();
    std::lock_guard lock(m_mutex);
    lent = static_cast<uint32_t>(m_loans.size());
    is_done = true;
  });
  wait_for([&] { return is_done; });
  return lent;
}

uint32_t FakeDaemon::cq_head()
{
  uint32_t head = 0;
  bool is_done = false;
  post([&] {
    head = m_utok.base ? hsys_load_acquire(&upage().cq_head) : 0;
    std::lock_guard lock(m_mutex);
    is_done = true;
  });
  wait_for([&] { return is_done; });
  return head;
}

bool FakeDaemon::has_client()
{
  bool has = false, is_done = false;
  post([&] {
    std::lock_guard lock(m_mutex);
    has = m_control >= 0;
    is_done = true;
  });
  wait_for([&] { return is_done; });
  return has;
}

void FakeDaemon::kill()
{
  bool is_done = false;
  post([&] {
    close_session();
    close_descriptor(m_listener);
    std::lock_guard lock(m_mutex);
    m_is_killed = is_done = true;
  });
  wait_for([&] { return is_done; });
}

void FakeDaemon::revoke(uint32_t reason, hsys_channel_state state)
{
  post([this, reason, state] {
    if (m_ktou.base) {
      kpage().reason = reason;
      __atomic_store_n(&kpage().state, static_cast<uint32_t>(state), __ATOMIC_SEQ_CST);
    }
    close_session();
  });
}

void FakeDaemon::pause()
{
  bool is_done = false;
  post([&] {
    m_is_paused = true;
    std::lock_guard lock(m_mutex);
    is_done = true;
  });
  wait_for([&] { return is_done; });
}

void FakeDaemon::resume()
{
  post([this] { m_is_paused = false; });
}

void FakeDaemon::ring()
{
  post([this] {
    [[maybe_unused]] ssize_t written = m_bell >= 0 ? write(m_bell, "!", 1) : 0;
  });
}

void FakeDaemon::publish_nonsense()
{
  post([this] { publish_one(HSYS_IRP_ID(1, 0x7777), {}); });
}

void FakeDaemon::publish_tail(uint32_t tail)
{
  post([this, tail] {
    m_is_damaged = true;
    __atomic_store_n(&kpage().cq_tail, tail, __ATOMIC_SEQ_CST);
    [[maybe_unused]] ssize_t written = write(m_bell, "!", 1);
  });
}

void FakeDaemon::publish_damaged(hsys_cqe entry, std::string arena)
{
  post([this, entry, arena = std::move(arena)] {
    m_is_damaged = true;
    if (m_ktou.base) {
      memcpy(m_ktou.base + m_geometry.rx_offset, arena.data(), arena.size());
      publish_entry(entry);
    }
  });
}

void FakeDaemon::send_control(uint16_t type)
{
  post([this, type] {
    hsys_control message{HSYS_CONTROL_MAGIC, type, 0, sizeof message, 0, 0, 0};
    [[maybe_unused]] ssize_t sent = send(m_control, &message, sizeof message, MSG_NOSIGNAL);
  });
}

void FakeDaemon::run()
{
  for (;;) {
    // Before looking: what comes after the look wakes the poll below.
    uint64_t drained;
    [[maybe_unused]] ssize_t count = read(m_wake, &drained, sizeof drained);
    std::deque<std::function<void()>> commands;
    {
      std::lock_guard lock(m_mutex);
      if (m_is_stopping)
        return;
      commands.swap(m_commands);
    }
    for (auto &command : commands)
      command();
    bool is_busy = !commands.empty();
    if (m_utok.base) {
      count = read(m_kick, &drained, sizeof drained);
      check_cq_head();
      take_returns();
      if (!m_is_paused)
        is_busy |= consume_submissions();
      flush_completions();
    }
    m_changed.notify_all();
    if (is_busy || (m_utok.base && !m_is_paused && !arm()))
      continue;
    pollfd entries[4] = {{m_wake, POLLIN, 0}, {m_listener, POLLIN, 0}, {m_control, POLLIN, 0}, {m_kick, POLLIN, 0}};
    poll(entries, 4, -1);
    if (entries[1].revents && m_control < 0)
      m_control = accept4(m_listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    else if (entries[2].revents)
      serve_control();
  }
}

bool FakeDaemon::arm()
{
  bool has_more = hsys_arm(&kpage().sq_wake, &upage().sq_tail, m_sq_head);
  if (!m_completions.empty()) // they wait for blocks
    has_more |= hsys_arm(&kpage().ret_wake, &upage().ret_tail, m_ret_head) != 0;
  return !has_more;
}

void FakeDaemon::serve_control()
{
  alignas(8) char message[HSYS_CONTROL_MESSAGE_MAX];
  ssize_t count = recv(m_control, message, sizeof message, 0);
  if (count <= 0) {
    if (count == 0 || (errno != EAGAIN && errno != EINTR))
      close_session();
    return;
  }
  const hsys_control &head = *reinterpret_cast<const hsys_control *>(message);
  if (static_cast<size_t>(count) < sizeof head || head.magic != HSYS_CONTROL_MAGIC || head.size != static_cast<uint32_t>(count))
    return violation("malformed control message");
  if (head.type == m_options.hangs_up_on)
    return close_session();
  if (head.type == HSYS_CONTROL_HELLO && count == sizeof(hsys_control_hello)) {
    hsys_control_welcome welcome{};
    welcome.head = {HSYS_CONTROL_MAGIC, HSYS_CONTROL_WELCOME, 0, sizeof welcome, head.sequence, 0, 0};
    welcome.head.status = static_cast<uint32_t>(m_options.hello_status);
    welcome.abi_major = m_options.abi_major;
    welcome.epoch = kEpoch;
    welcome.session = kSession;
    if (m_options.answers_hello)
      count = send(m_control, &welcome, sizeof welcome, MSG_NOSIGNAL);
    m_session_count++;
  } else if (head.type == HSYS_CONTROL_CHANNEL_OPEN && count == sizeof(hsys_control_channel_open)) {
    open_channel(head.sequence);
  } else {
    violation("unexpected control message");
  }
}

FakeDaemon::Region FakeDaemon::make_region(uint64_t bytes, bool is_daemons)
{
  Region region{memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING), nullptr, bytes};
  if (ftruncate(region.descriptor, static_cast<off_t>(bytes)) != 0)
    throw std::runtime_error("ftruncate");
  void *base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region.descriptor, 0);
  if (base == MAP_FAILED)
    throw std::runtime_error("mmap");
  region.base = static_cast<uint8_t *>(base);
  if (m_options.seals)
    fcntl(region.descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | (is_daemons ? F_SEAL_FUTURE_WRITE | F_SEAL_SEAL : 0));
  return region;
}

void FakeDaemon::fill_geometry(hsys_geometry &geometry) const
{
  auto pages = [](uint64_t bytes) { return (bytes + HSYS_PAGE - 1) / HSYS_PAGE * HSYS_PAGE; };
  geometry.magic = m_options.geometry_magic;
  geometry.abi_major = HSYS_ABI_MAJOR;
  geometry.epoch = kEpoch;
  geometry.session = kSession;
  geometry.sq_entries = m_options.sq_entries;
  geometry.cq_entries = m_options.cq_entries;
  geometry.ret_entries = m_options.ret_entries;
  geometry.cq_offset = HSYS_PAGE;
  geometry.rx_offset = HSYS_PAGE + pages(uint64_t{m_options.cq_entries} * sizeof(hsys_cqe));
  geometry.rx_bytes = m_options.rx_bytes;
  geometry.ktou_bytes = geometry.rx_offset + geometry.rx_bytes;
  geometry.sq_offset = HSYS_PAGE;
  geometry.ret_offset = HSYS_PAGE + uint64_t{m_options.sq_entries} * sizeof(hsys_sqe);
  geometry.tx_offset = pages(geometry.ret_offset + uint64_t{m_options.ret_entries} * 4);
  geometry.tx_bytes = m_options.tx_bytes;
  geometry.utok_bytes = geometry.tx_offset + geometry.tx_bytes;
}

void FakeDaemon::open_channel(uint32_t sequence)
{
  m_geometry = {};
  fill_geometry(m_geometry);
  m_ktou = make_region(m_geometry.ktou_bytes, true);
  m_utok = make_region(m_geometry.utok_bytes, false);
  kpage().geometry = m_geometry;
  kpage().sq_wake = HSYS_WAKE_INITIAL_SQ;
  kpage().ret_wake = upage().cq_wake = upage().space_wake = HSYS_WAKE_DISARMED;
  kpage().state = HSYS_CHANNEL_RUNNING;
  m_sq_head = m_cq_tail = m_cq_head_seen = m_ret_head = 0;
  m_granules.assign(m_geometry.rx_bytes / HSYS_BLOCK_MIN, false);
  m_kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int bell[2];
  if (pipe2(bell, O_CLOEXEC | O_NONBLOCK) != 0)
    throw std::runtime_error("pipe2");
  m_bell = bell[1];
  hsys_control_channel_opened opened{};
  opened.head = {HSYS_CONTROL_MAGIC, HSYS_CONTROL_CHANNEL_OPENED, 0, sizeof opened, sequence, 0, 0};
  opened.head.status = static_cast<uint32_t>(m_options.channel_status);
  opened.ktou_bytes = m_geometry.ktou_bytes;
  opened.utok_bytes = m_geometry.utok_bytes;
  int descriptors[4] = {m_ktou.descriptor, m_utok.descriptor, m_kick, bell[0]};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptors)] = {};
  iovec data{&opened, sizeof opened};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr *part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof descriptors);
  memcpy(CMSG_DATA(part), descriptors, sizeof descriptors);
  if (sendmsg(m_control, &header, MSG_NOSIGNAL) < 0)
    throw std::runtime_error("sendmsg");
  close(bell[0]);
}

void FakeDaemon::close_session()
{
  close_descriptor(m_control);
  close_descriptor(m_kick);
  close_descriptor(m_bell);
  for (Region *region : {&m_ktou, &m_utok}) {
    if (region->base)
      munmap(region->base, region->bytes);
    close_descriptor(region->descriptor);
    *region = {};
  }
  m_in_use.clear();
  m_completions.clear();
  m_loans.clear();
  std::lock_guard lock(m_mutex);
  m_parked.clear();
}

void FakeDaemon::check_cq_head()
{
  uint32_t head = hsys_load_acquire(&upage().cq_head);
  if (head - m_cq_head_seen > m_cq_tail - m_cq_head_seen)
    violation("cq_head moved back or past cq_tail");
  m_cq_head_seen = head;
  std::erase_if(m_in_use, [&](auto &item) {
    return item.second.second != kNoIndex && static_cast<int32_t>(head - item.second.second) > 0;
  });
}

void FakeDaemon::take_returns()
{
  uint32_t tail = hsys_load_acquire(&upage().ret_tail);
  if (!hsys_tail_is_sane(tail, m_ret_head, m_geometry.ret_entries))
    return violation("ret_tail");
  const uint32_t *returns = reinterpret_cast<const uint32_t *>(m_utok.base + m_geometry.ret_offset);
  for (; m_ret_head != tail; m_ret_head++) {
    uint32_t block = returns[m_ret_head & (m_geometry.ret_entries - 1)];
    auto loan = m_loans.find(block);
    if (loan == m_loans.end()) {
      violation("a block that is not on loan was returned");
      continue;
    }
    for (uint32_t i = 0; i < loan->second; i++)
      m_granules[block + i] = false;
    m_loans.erase(loan);
  }
  hsys_store_release(&kpage().ret_head, m_ret_head);
}

bool FakeDaemon::consume_submissions()
{
  uint32_t tail = hsys_load_acquire(&upage().sq_tail);
  if (!hsys_tail_is_sane(tail, m_sq_head, m_geometry.sq_entries)) {
    violation("sq_tail");
    return false;
  }
  if (tail == m_sq_head)
    return false;
  const hsys_sqe *entries = reinterpret_cast<const hsys_sqe *>(m_utok.base + m_geometry.sq_offset);
  while (m_sq_head != tail && m_utok.base) {
    hsys_sqe entry = entries[m_sq_head & (m_geometry.sq_entries - 1)];
    uint32_t before = m_sq_head++;
    // As the daemon does: the space bell rings like any other.
    if (hsys_publish(&kpage().sq_head, &upage().space_wake, before, m_sq_head)) {
      [[maybe_unused]] ssize_t written = write(m_bell, "!", 1);
    }
    admit(entry);
  }
  return true;
}

void FakeDaemon::admit(const hsys_sqe &entry)
{
  const Row *row = row_of(entry.op);
  if (!row)
    return violation("unknown operation");
  check_cq_head();
  uint32_t limit = m_geometry.cq_entries - (row->traits & HSYS_OP_RESERVE ? 0 : HSYS_CQ_RESERVE);
  if (m_in_use.size() >= limit)
    violation(std::string(row->name) + " without credit");
  if (!m_in_use.emplace(HSYS_IRP_SLOT(entry.irp_id), std::pair{entry.irp_id, kNoIndex}).second)
    violation("IRP slot in use");
  if (entry.flags || entry.reserved0 || entry.reserved1 || entry.reserved2 || entry.op_flags & ~row->op_flags)
    violation(std::string(row->name) + ": reserved members or flags");
  if (entry.in_length < row->in_min || entry.in_length > row->in_max || entry.in_offset > m_geometry.tx_bytes ||
      entry.in_length > m_geometry.tx_bytes - entry.in_offset)
    return violation(std::string(row->name) + ": parameter block");
  FakeOperation operation;
  operation.entry = entry;
  const uint8_t *parameters = m_utok.base + m_geometry.tx_offset + entry.in_offset;
  operation.parameters.assign(parameters, parameters + entry.in_length);
  if (entry.op == HSYS_OP_SEND_RESPONSE)
    take_extents(operation, operation.head<hsys_response>().extent_offset, operation.head<hsys_response>().extent_count);
  else if (entry.op == HSYS_OP_SEND_BODY)
    take_extents(operation, operation.head<hsys_send_body>().extent_offset, operation.head<hsys_send_body>().extent_count);
  Handler handler;
  bool is_default = false;
  {
    std::lock_guard lock(m_mutex);
    m_seen[entry.op]++;
    auto found = m_handlers.find(entry.op);
    is_default = found == m_handlers.end();
    if (!is_default)
      handler = found->second;
    if (!is_default && !handler)
      m_parked.push_back(operation);
  }
  m_changed.notify_all();
  if (is_default)
    default_handler(operation);
  else if (handler)
    handler(*this, operation);
}

void FakeDaemon::take_extents(FakeOperation &operation, uint32_t offset, uint32_t count)
{
  if (offset % 4 || offset > operation.parameters.size() || count > (operation.parameters.size() - offset) / sizeof(hsys_extent) ||
      count > HSYS_EXTENTS_MAX)
    return violation("extent array");
  for (uint32_t i = 0; i < count; i++) {
    hsys_extent extent;
    memcpy(&extent, operation.parameters.data() + offset + i * sizeof extent, sizeof extent);
    if (extent.offset > m_geometry.tx_bytes || extent.length > m_geometry.tx_bytes - extent.offset)
      return violation("extent");
    operation.body.append(reinterpret_cast<const char *>(m_utok.base + m_geometry.tx_offset + extent.offset), extent.length);
  }
  if (operation.body.size() > HSYS_SEND_BYTES_MAX)
    violation("too many bytes in one SEND");
}

// The daemon's handles, so far as a client can tell: closing one cancels what is parked on it.
void FakeDaemon::default_handler(const FakeOperation &operation)
{
  FakeReply reply;
  const hsys_sqe &entry = operation.entry;
  switch (entry.op) {
  case HSYS_OP_CREATE_SERVER_SESSION:
  case HSYS_OP_CREATE_URL_GROUP:
  case HSYS_OP_CREATE_REQUEST_QUEUE:
    reply.object_id = m_next_id++;
    break;
  case HSYS_OP_CLOSE_HANDLE:
  case HSYS_OP_SHUTDOWN_REQUEST_QUEUE:
    cancel_parked([&](const FakeOperation &parked) {
      return parked.entry.handle == entry.handle && (entry.op == HSYS_OP_CLOSE_HANDLE || parked.entry.op == HSYS_OP_RECEIVE_REQUEST);
    });
    break;
  case HSYS_OP_CANCEL: {
    std::unique_lock lock(m_mutex);
    uint32_t target = static_cast<uint32_t>(entry.object_id);
    bool is_found = find_parked(target) != m_parked.end();
    lock.unlock();
    if (is_found)
      complete(target, {.status = HSYS_STATUS_CANCELLED});
    else
      reply.status = HSYS_STATUS_NOT_FOUND;
    break;
  }
  default:
    break;
  }
  complete(entry.irp_id, reply);
}

// Mostly among the first: tests complete and cancel in the order in which they began.
std::deque<FakeOperation>::iterator FakeDaemon::find_parked(uint32_t irp_id)
{
  return std::find_if(m_parked.begin(), m_parked.end(), [&](const FakeOperation &operation) { return operation.entry.irp_id == irp_id; });
}

void FakeDaemon::cancel_parked(const std::function<bool(const FakeOperation &)> &is_wanted)
{
  std::vector<uint32_t> targets;
  {
    std::lock_guard lock(m_mutex);
    std::erase_if(m_parked, [&](const FakeOperation &operation) {
      if (!is_wanted(operation))
        return false;
      targets.push_back(operation.entry.irp_id);
      return true;
    });
  }
  for (uint32_t target : targets)
    complete(target, {.status = HSYS_STATUS_CANCELLED});
}

void FakeDaemon::flush_completions()
{
  size_t passed = 0;
  while (passed < m_completions.size()) {
    auto [irp_id, reply] = m_completions[passed];
    if (publish_one(irp_id, reply))
      m_completions.erase(m_completions.begin() + static_cast<ptrdiff_t>(passed));
    else
      passed++;
  }
}

bool FakeDaemon::publish_one(uint32_t irp_id, const FakeReply &reply)
{
  hsys_cqe entry{};
  entry.user_data = entry.irp_id = irp_id;
  entry.status = static_cast<uint32_t>(reply.status);
  entry.information = reply.information;
  entry.object_id = reply.object_id;
  entry.aux = reply.aux;
  const std::string *block = reply.output ? &*reply.output : reply.reason.empty() ? nullptr : &reply.reason;
  if (block) {
    uint32_t wanted = std::max<uint32_t>(1, static_cast<uint32_t>((block->size() + HSYS_BLOCK_MIN - 1) / HSYS_BLOCK_MIN));
    uint32_t run = 0, first = 0;
    for (uint32_t i = 0; i < m_granules.size() && run < wanted; i++) {
      run = m_granules[i] ? 0 : run + 1;
      first = i + 1 - run;
    }
    if (run < wanted)
      return false;
    for (uint32_t i = 0; i < wanted; i++)
      m_granules[first + i] = true;
    m_loans[first] = wanted;
    entry.block = first;
    entry.out_offset = first * HSYS_BLOCK_MIN;
    entry.out_length = static_cast<uint32_t>(block->size());
    entry.flags = HSYS_CQE_BLOCK | (reply.output ? 0 : HSYS_CQE_REASON);
    memcpy(m_ktou.base + m_geometry.rx_offset + entry.out_offset, block->data(), block->size());
  }
  publish_entry(entry);
  return true;
}

void FakeDaemon::publish_entry(const hsys_cqe &entry)
{
  hsys_cqe *entries = reinterpret_cast<hsys_cqe *>(m_ktou.base + m_geometry.cq_offset);
  entries[m_cq_tail & (m_geometry.cq_entries - 1)] = entry;
  auto slot = m_in_use.find(HSYS_IRP_SLOT(entry.irp_id));
  if (slot != m_in_use.end() && slot->second.first == entry.irp_id)
    slot->second.second = m_cq_tail;
  uint32_t before = m_cq_tail++;
  m_cq_tail_copy = m_cq_tail;
  if (hsys_publish(&kpage().cq_tail, &upage().cq_wake, before, m_cq_tail)) {
    [[maybe_unused]] ssize_t written = write(m_bell, "!", 1);
  }
}
