// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/irp_queue.h"
#include "kernel/io/parked_table.h"
#include "tests/unit/io/irp_maker.h"
#include <doctest/doctest.h>
#include <map>
#include <random>

using namespace httpsys;
using namespace httpsys::io;

TEST_CASE("operations leave a queue in the order in which they were parked")
{
  IrpMaker maker;
  IrpQueue queue;
  for (uint32_t id : {1u, 2u, 3u})
    queue.park(maker.make(id));
  queue.park_first(maker.make(4));
  CHECK(queue.size() == 4);
  for (uint32_t id : {4u, 1u, 2u, 3u}) {
    auto irp = queue.take_first();
    REQUIRE(irp);
    CHECK(irp->entry().irp_id == id);
    complete(std::move(irp), NtStatus::Success);
  }
  CHECK_FALSE(queue.take_first());
  CHECK(maker.done.size() == 4);
}

TEST_CASE("CANCEL finds an operation wherever it is parked, once")
{
  IrpMaker maker(1), other(2);
  IrpQueue first, second;
  first.park(maker.make(1));
  second.park(maker.make(2));
  second.park(other.make(1));
  CHECK(IrpQueue::parked_here() == 3);
  CHECK(IrpQueue::cancel_parked(maker.channel(), 2));
  CHECK_FALSE(IrpQueue::cancel_parked(maker.channel(), 2));
  CHECK_FALSE(IrpQueue::cancel_parked(maker.channel(), 3));
  CHECK(first.size() == 1);
  CHECK(second.size() == 1);
  REQUIRE(maker.done.size() == 1);
  CHECK(maker.done[0].irp_id == 2);
  CHECK(maker.done[0].completion.status == NtStatus::Cancelled);
  CHECK(other.done.empty());
  first.complete_all(NtStatus::Success);
  second.complete_all(NtStatus::ConnectionInvalid, "gone");
  CHECK(other.done.at(0).completion.status == NtStatus::ConnectionInvalid);
  CHECK(other.done.at(0).completion.reason == "gone");
  CHECK(IrpQueue::parked_here() == 0);
}

TEST_CASE("an operation that was taken is not found by CANCEL")
{
  IrpMaker maker;
  IrpQueue queue;
  queue.park(maker.make(1));
  queue.park(maker.make(2));
  auto irp = queue.take(*queue.next(*queue.first()));
  CHECK(irp->entry().irp_id == 2);
  CHECK_FALSE(IrpQueue::cancel_parked(maker.channel(), 2));
  complete(std::move(irp), NtStatus::Success);
  queue.complete_all(NtStatus::Cancelled);
}

TEST_CASE("a handler decides what a cancelled operation completes with, or parks it again")
{
  struct Handler final : IrpQueue::CancelHandler {
    bool parks = true;
    int calls = 0;
    void on_irp_cancelled(IrpQueue &queue, IrpPtr irp) override
    {
      calls++;
      if (parks)
        return queue.park_first(std::move(irp));
      complete(std::move(irp), NtStatus::ConnectionAborted);
    }
  };
  IrpMaker maker;
  Handler handler;
  IrpQueue queue(&handler);
  queue.park(maker.make(1));
  CHECK(IrpQueue::cancel_parked(maker.channel(), 1));
  CHECK(queue.size() == 1);
  handler.parks = false;
  CHECK(IrpQueue::cancel_parked(maker.channel(), 1));
  CHECK(handler.calls == 2);
  CHECK(maker.done.at(0).completion.status == NtStatus::ConnectionAborted);
}

TEST_CASE("an operation without extents names no client memory")
{
  IrpMaker maker;
  auto irp = maker.make(1, HSYS_OP_NOP, {1, 2, 3});
  CHECK(irp->parameters().size() == 3);
  CHECK_FALSE(irp->extent(0, 0));
  complete(std::move(irp), NtStatus::Success);
}

TEST_CASE("irp_ids that a client chooses for one place in the table do not lie in one heap")
{
  IrpMaker maker(1);
  ParkedTable table;
  std::vector<IrpPtr> parked;
  // One for each slot, with the sequence that multiplicative hashing without a secret would put first in a table of 4096.
  for (uint32_t slot = 0; slot < 2000; slot++)
    for (uint32_t sequence = 0; sequence <= UINT16_MAX; sequence++) {
      uint64_t key = uint64_t{1} << 32 | HSYS_IRP_ID(slot, sequence);
      if ((key * 0x9e3779b97f4a7c15ull >> 32 & 4095) != 0)
        continue;
      parked.push_back(maker.make(static_cast<uint32_t>(key)));
      table.insert(*parked.back());
      break;
    }
  CHECK(parked.size() > 1900);
  size_t most = 0;
  for (auto &irp : parked)
    most = std::max(most, table.steps_to(1, irp->entry().irp_id));
  CHECK(most < 64);
  for (auto &irp : parked) {
    table.remove(*irp);
    complete(std::move(irp), NtStatus::Success);
  }
}

TEST_CASE("the table of parked operations against a model")
{
  IrpMaker makers[3] = {IrpMaker(1), IrpMaker(2), IrpMaker(0xffffffff)};
  ParkedTable table;
  std::map<std::pair<uint32_t, uint32_t>, IrpPtr> model;
  std::mt19937 random(7);
  for (int step = 0; step < 100000; step++) {
    IrpMaker &maker = makers[random() % 3];
    // Slots of a ring differ in few bits: clusters.
    auto id = static_cast<uint32_t>(random() % 700 | (random() % 2) << 16);
    auto key = std::pair(maker.channel().number, id);
    auto found = model.find(key);
    Irp *in_table = table.find(key.first, key.second);
    REQUIRE(in_table == (found == model.end() ? nullptr : found->second.get()));
    if (found == model.end()) {
      auto irp = maker.make(id);
      table.insert(*irp);
      model[key] = std::move(irp);
    } else if (random() % 4 != 0) {
      table.remove(*found->second);
      complete(std::move(found->second), NtStatus::Success);
      model.erase(found);
    }
    REQUIRE(table.size() == model.size());
  }
  for (auto &[key, irp] : model) {
    table.remove(*irp);
    complete(std::move(irp), NtStatus::Success);
  }
}
