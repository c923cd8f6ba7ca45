// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/canary.h"
#include "kernel/io/channel_impl.h"
#include <algorithm>
#include <fmt/format.h>

namespace httpsys::io {

void Channel::Impl::take_back(IrpPtr irp, IrpCompletion completion)
{
  uint32_t irp_id = irp->entry().irp_id;
  uint64_t user_data = irp->entry().user_data;
  VERIFY(slots.find(irp_id) == irp.get());
  slots.clear_irp(irp_id);
  parameter_bytes -= irp->parameters().size();
  // What waits in the ring behind many of these goes on.
  if (irp->m_is_with_core_0 && with_core_0-- == limits::kOperationsWithCore0 && !is_ending)
    poll_soon();
  irp.reset();
  if (!is_ending)
    return finish({user_data, irp_id, std::move(completion)});
  slots.drop(irp_id);
  completions.admission().drop();
  finish_if_empty();
}

// Only for OthersInBlock.
static void leave_last(std::span<uint8_t> place, std::span<const uint8_t> bytes)
{
  static std::vector<uint8_t> last;
  std::memcpy(place.data(), last.data(), std::min(place.size(), last.size()));
  last.assign(bytes.begin(), bytes.end());
}

// The client may read a block from the moment that it is lent: nothing of an earlier use may be left behind its bytes.
std::optional<mm::BlockArena::Block> Channel::Impl::lend(std::span<const uint8_t> bytes)
{
  auto length = static_cast<uint32_t>(bytes.size());
  auto block = arena.lend(length);
  if (block.is_error() && !is_revoked && take_returned_blocks() > 0)
    block = arena.lend(length);
  if (block.is_error())
    return std::nullopt;
  uint8_t *place = ktou->daemon_bytes().data() + geometry.rx_offset + block->offset;
  std::memcpy(place, bytes.data(), length);
  uint32_t granule_end = (length + HSYS_BLOCK_MIN - 1) / HSYS_BLOCK_MIN * HSYS_BLOCK_MIN;
  if (!is_broken(Canary::BlockNotCleared))
    std::memset(place + length, 0, granule_end - length);
  if (is_broken(Canary::OthersInBlock))
    leave_last({place + granule_end, block->size - granule_end}, bytes);
  return *block;
}

static std::span<const uint8_t> reason_bytes(const std::string &reason)
{
  size_t length = std::min<size_t>(reason.size(), HSYS_REASON_MAX);
  // Not in the middle of a UTF-8 character.
  while (length < reason.size() && length > 0 && (static_cast<unsigned char>(reason[length]) & 0xc0) == 0x80)
    length--;
  return {reinterpret_cast<const uint8_t *>(reason.data()), length};
}

void Channel::Impl::finish(Waiting done)
{
  if (!done.completion.output.empty()) {
    // In order, so that a large one is not starved by small ones.
    auto block = waiting.empty() ? lend(done.completion.output) : std::nullopt;
    if (!block)
      return let_wait(std::move(done));
    return write_entry(done, &*block, static_cast<uint32_t>(done.completion.output.size()), HSYS_CQE_BLOCK);
  }
  // A reason is a kindness: without a free block the completion goes without it, rather than wait, and it takes none from those who do.
  auto reason = reason_bytes(done.completion.reason);
  auto block = reason.empty() || !waiting.empty() ? std::nullopt : lend(reason);
  if (block)
    write_entry(done, &*block, static_cast<uint32_t>(reason.size()), HSYS_CQE_BLOCK | HSYS_CQE_REASON);
  else
    write_entry(done, nullptr, 0, 0);
}

void Channel::Impl::let_wait(Waiting done)
{
  uint64_t most = 0;
  if (const char *key = waiting_output.take(done.completion.output.size(), &most)) {
    revoke(HSYS_REVOKED_OUTPUT,
      fmt::format("it hands back too few blocks, and as many results wait for some as {} allows ({} bytes)", key, most));
    done.completion = {};
    done.completion.status = NtStatus::InsufficientResources;
    return write_entry(done, nullptr, 0, 0);
  }
  waiting.push_back(std::move(done));
  make_hot();
}

void Channel::Impl::write_entry(const Waiting &done, const mm::BlockArena::Block *block, uint32_t length, uint32_t flags)
{
  hsys_cqe entry{};
  entry.user_data = done.user_data;
  entry.irp_id = done.irp_id;
  entry.status = static_cast<uint32_t>(done.completion.status);
  entry.information = done.completion.information;
  entry.object_id = done.completion.object_id;
  entry.aux = done.completion.aux;
  entry.flags = flags;
  if (block) {
    entry.out_offset = block->offset;
    entry.out_length = length;
    entry.block = block->number;
  }
  if (is_broken(Canary::CompletionLost) && HSYS_IRP_SLOT(entry.irp_id) == 3)
    return completions.admission().drop();
  uint64_t number = completions.write(entry);
  if (is_broken(Canary::CompletedTwice) && HSYS_IRP_SLOT(entry.irp_id) == 3)
    completions.write(entry);
  if (slots.has(done.irp_id))
    slots.written(done.irp_id, number);
  if (done.completion.delivers_request)
    extension->on_delivery_published(done.completion.object_id, static_cast<uint32_t>(number), block != nullptr);
  ke::Core::current().request_flush(*this);
}

uint32_t Channel::Impl::take_returned_blocks()
{
  if (!returns.refresh()) {
    revoke(HSYS_REVOKED_RET_INDEX, "ret_tail is further ahead of ret_head than the return ring is long");
    return 0;
  }
  uint32_t taken = 0;
  while ((taken < limits::kReturnsPerTurn || is_broken(Canary::WorkNotBounded)) && returns.available() > 0) {
    uint32_t number;
    returns.copy_first({reinterpret_cast<uint8_t *>(&number), sizeof number});
    returns.advance();
    taken++;
    if (is_broken(Canary::BlockLost) && taken == 3)
      continue;
    if (arena.give_back(number).is_error() && !is_broken(Canary::BlockNotChecked)) {
      revoke(HSYS_REVOKED_BLOCK, "it handed back block " + std::to_string(number) + ", which it does not have");
      break;
    }
  }
  if (taken > 0)
    returns.publish_head();
  return taken;
}

// False: this turn has had its part, and some may find a block.
bool Channel::Impl::serve_waiting()
{
  for (size_t bytes = 0; !waiting.empty();) {
    if (bytes >= limits::kResultBytesPerTurn && !is_broken(Canary::WorkNotBounded))
      return false;
    auto block = lend(waiting.front().completion.output);
    if (!block)
      break;
    Waiting done = std::move(waiting.front());
    waiting.pop_front();
    bytes += done.completion.output.size();
    if (!is_broken(Canary::WaitingNotGivenBack))
      waiting_output.give(done.completion.output.size());
    write_entry(done, &*block, static_cast<uint32_t>(done.completion.output.size()), HSYS_CQE_BLOCK);
  }
  return true;
}

}
