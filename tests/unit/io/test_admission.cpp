// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/admission.h"
#include "kernel/io/slot_table.h"
#include "tests/unit/io/irp_maker.h"
#include <deque>
#include <doctest/doctest.h>
#include <random>

using namespace httpsys;
using namespace httpsys::io;

TEST_CASE("the last slots are for operations that may use the reserve")
{
  Admission admission(256, 0);
  for (uint32_t count = 0; count < 256 - HSYS_CQ_RESERVE; count++) {
    REQUIRE(admission.has_credit(false));
    admission.admit();
  }
  CHECK_FALSE(admission.has_credit(false));
  for (uint32_t count = 0; count < HSYS_CQ_RESERVE; count++) {
    REQUIRE(admission.has_credit(true));
    admission.admit();
  }
  CHECK_FALSE(admission.has_credit(true));
  // Completing gives no credit, reaping does.
  admission.complete();
  admission.publish();
  CHECK_FALSE(admission.has_credit(true));
  CHECK(admission.reap(1));
  CHECK(admission.has_credit(true));
  CHECK_FALSE(admission.has_credit(false));
  // An operation that ends without an entry gives its slot back at once.
  admission.drop();
  CHECK(admission.in_flight() == 254);
}

TEST_CASE("what a client may claim to have reaped")
{
  for (uint32_t first : {0u, 1000u, UINT32_MAX, UINT32_MAX - 4}) {
    CAPTURE(first);
    Admission admission(256, first);
    for (int count = 0; count < 10; count++) {
      admission.admit();
      admission.complete();
    }
    CHECK(admission.reap(first));
    CHECK_FALSE(admission.reap(first + 1)); // written, but not published
    admission.publish();
    CHECK(admission.reap(first + 4));
    CHECK_FALSE(admission.reap(first + 3));
    CHECK_FALSE(admission.reap(first + 11));
    CHECK_FALSE(admission.reap(first + 4 + (1u << 31)));
    CHECK(admission.head() == first + 4);
    CHECK(admission.reap(first + 10));
    CHECK(admission.is_reaped(uint64_t{first} + 9));
    CHECK_FALSE(admission.is_reaped(uint64_t{first} + 10));
  }
}

TEST_CASE("admission against a model")
{
  constexpr uint32_t entries = 256;
  std::mt19937 random(3);
  Admission admission(entries, UINT32_MAX - 5000);
  uint32_t in_flight = 0, index = UINT32_MAX - 5000;
  std::deque<uint32_t> written, published;
  for (int step = 0; step < 200000; step++) {
    auto used = static_cast<uint32_t>(in_flight + written.size() + published.size());
    REQUIRE(admission.has_credit(true) == (used < entries));
    REQUIRE(admission.has_credit(false) == (used < entries - HSYS_CQ_RESERVE));
    switch (random() % 5) {
    case 0:
    case 1:
      if (admission.has_credit(random() % 4 == 0)) {
        admission.admit();
        in_flight++;
      }
      break;
    case 2:
      if (in_flight > 0) {
        REQUIRE(static_cast<uint32_t>(admission.complete()) == index);
        written.push_back(index++);
        in_flight--;
      }
      break;
    case 3:
      admission.publish();
      published.insert(published.end(), written.begin(), written.end());
      written.clear();
      break;
    default:
      for (auto count = random() % (published.size() + 1); count > 0; count--)
        published.pop_front();
      REQUIRE(admission.reap(published.empty() ? admission.published() : published.front()));
    }
    REQUIRE(admission.in_flight() == in_flight);
  }
}

TEST_CASE("a slot is free again when its completion is reaped, however long ago")
{
  Admission admission(256, 0);
  SlotTable slots(256);
  const uint32_t id = HSYS_IRP_ID(7, 1);
  CHECK(slots.has(id));
  CHECK_FALSE(slots.has(HSYS_IRP_ID(256, 0)));
  CHECK(slots.is_free(id, admission));
  admission.admit();
  slots.enter(id);
  CHECK_FALSE(slots.is_free(id, admission));
  CHECK_FALSE(slots.is_free(HSYS_IRP_ID(7, 2), admission)); // the same slot
  slots.written(id, admission.complete());
  admission.publish();
  CHECK_FALSE(slots.is_free(id, admission));
  CHECK(admission.reap(1));
  CHECK(slots.is_free(id, admission));
  // Others complete until the index has come round nearly, to where it would look unreaped with 32 bits.
  for (uint64_t step = 0; step < (uint64_t{1} << 31) + 5; step += 255) {
    for (int count = 0; count < 255; count++) {
      admission.admit();
      admission.complete();
    }
    admission.publish();
    if (!admission.reap(admission.published()))
      FAIL("reap");
  }
  CHECK(slots.is_free(id, admission));
}

TEST_CASE("a slot knows its operation by the whole id, while it has not come back")
{
  IrpMaker maker;
  SlotTable slots(256);
  const uint32_t id = HSYS_IRP_ID(3, 5);
  auto irp = maker.make(id);
  slots.enter(id);
  CHECK(slots.find(id) == nullptr);
  slots.set_irp(*irp);
  CHECK(slots.find(id) == irp.get());
  CHECK(slots.find(HSYS_IRP_ID(3, 6)) == nullptr);
  CHECK(slots.find(HSYS_IRP_ID(4, 5)) == nullptr);
  CHECK(slots.find(HSYS_IRP_ID(9999, 5)) == nullptr);
  int visited = 0;
  slots.visit_irps(0, slots.slot_count(), [&](Irp &each) { visited += &each == irp.get(); });
  CHECK(visited == 1);
  slots.clear_irp(id);
  CHECK(slots.find(id) == nullptr);
  complete(std::move(irp), NtStatus::Success);
}
