// SPDX-License-Identifier: MIT
#include "lib/sync_operation.h"
#include "lib/reaper.h"
#include "lib/send_call.h"
#include "uapi/status.h"
#include <cstring>
#include <ctime>

namespace httpsys::lib {

namespace {

// Only when stalled sends hold all of the send arena.
constexpr timespec kArenaPause{0, 2'000'000};

}

SyncOperation::SyncOperation(hsys_op op, uint64_t handle, uint64_t object_id, uint32_t op_flags)
{
  entry.op = static_cast<uint8_t>(op);
  entry.handle = handle;
  entry.object_id = object_id;
  entry.op_flags = op_flags;
}

uint32_t SyncOperation::run(ClientSession &session, std::span<const uint8_t> head, std::span<const uint8_t> tail)
{
  ClientChannel &channel = session.channel();
  ArenaExtent block;
  entry.in_length = static_cast<uint32_t>(head.size() + tail.size());
  while (entry.in_length && !(block = channel.send_arena().allocate(entry.in_length)).length && !channel.is_dead()) {
    Reaper::instance().poll();
    nanosleep(&kArenaPause, nullptr);
  }
  if (block.length) {
    memcpy(channel.send_bytes(block), head.data(), head.size());
    if (!tail.empty())
      memcpy(channel.send_bytes(block) + head.size(), tail.data(), tail.size());
    entry.in_offset = block.offset;
  }
  m_status = static_cast<uint32_t>(HSYS_STATUS_CANCELLED);
  if (channel.submit(*this, ClientChannel::Patience::Wait) == ClientChannel::Submitted::Yes) {
    DispatcherGuard guard;
    Reaper::instance().wait(guard, *this, Deadline::after(Deadline::kInfinite));
  } else {
    m_reason.assign(channel.death_reason());
  }
  channel.send_arena().release(block);
  if (block.length)
    SendCall::serve_waiting(session);
  return m_status;
}

// The thread may end the operation as soon as it is satisfied.
void SyncOperation::on_completion(const Completion &completion)
{
  m_status = completion.status;
  m_object_id = completion.object_id;
  m_reason.assign(completion.reason);
  DispatcherGuard guard;
  satisfy(guard);
}

}
