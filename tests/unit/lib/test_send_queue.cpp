// SPDX-License-Identifier: GPL-3.0-or-later
// Who may send next: one after the other for a request, first come, first served for the arena.
#include "lib/send_call.h"
#include "uapi/ops.h"
#include <doctest/doctest.h>

using namespace httpsys::lib;

namespace {

Ref<SendCall> call(uint64_t request_id)
{
  return SendCall::create({}, HSYS_OP_SEND_BODY, request_id, 0);
}

}

TEST_CASE("sends of a request follow one another; those of others, in the same bucket too, do not wait")
{
  SendQueue queue;
  Ref<SendCall> first = call(7), second = call(7), third = call(7), other = call(7 + 64);
  CHECK(queue.enter(*first));
  CHECK_FALSE(queue.enter(*second));
  CHECK(queue.enter(*other));
  CHECK_FALSE(queue.enter(*third));
  CHECK_FALSE(queue.leave(*other));
  SUBCASE("in order")
  {
    CHECK(queue.leave(*first).get() == second.get());
    CHECK(queue.leave(*second).get() == third.get());
  }
  SUBCASE("one that waits gives up")
  {
    CHECK_FALSE(queue.leave(*second));
    CHECK(queue.leave(*first).get() == third.get());
  }
  CHECK_FALSE(queue.leave(*third));
  CHECK(queue.enter(*other));
  CHECK_FALSE(queue.leave(*other));
}

TEST_CASE("the arena: first come, first served; who had its turn stays the next; bytes given back meanwhile mean another try")
{
  SendQueue queue;
  Ref<SendCall> first = call(1), second = call(2), third = call(3);
  for (Ref<SendCall> *each : {&first, &second, &third})
    REQUIRE(queue.enter(**each));
  uint32_t releases = queue.releases();
  CHECK_FALSE(queue.wait_behind_others(*first));
  CHECK(queue.wait_for_arena(*first, false, releases));
  CHECK(queue.wait_for_arena(*first, false, releases));
  CHECK(queue.wait_behind_others(*second));
  CHECK(queue.released().get() == first.get());
  CHECK_FALSE(queue.wait_for_arena(*first, true, releases));
  CHECK(queue.wait_for_arena(*first, true, queue.releases()));
  CHECK(queue.wait_behind_others(*third));
  CHECK(queue.released().get() == first.get());
  CHECK(queue.take_waiting().get() == second.get());
  CHECK_FALSE(queue.leave(*third)); // gives up
  CHECK_FALSE(queue.take_waiting());
  CHECK_FALSE(queue.leave(*first));
  CHECK_FALSE(queue.leave(*second));
}
