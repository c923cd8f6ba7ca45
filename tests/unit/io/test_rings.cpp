// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/doorbell.h"
#include "kernel/io/ring_consumer.h"
#include "kernel/io/ring_producer.h"
#include <cstring>
#include <doctest/doctest.h>
#include <sys/mman.h>

using namespace httpsys;
using namespace httpsys::io;

// A client's region, seen from both sides: its first page has the words, its second one the entries.
class Shared {
public:
  static constexpr uint32_t kEntries = 8;
  struct Words {
    uint32_t tail, head, wake, space_wake;
  };

  explicit Shared(uint32_t first_index)
  {
    region = MUST(mm::SharedRegion::create("test", 2 * HSYS_PAGE, mm::SharedRegion::Writer::Client));
    void *base = mmap(nullptr, 2 * HSYS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, region->descriptor(), 0);
    REQUIRE(base != MAP_FAILED);
    client = static_cast<Words *>(base);
    entries = reinterpret_cast<uint32_t *>(static_cast<uint8_t *>(base) + HSYS_PAGE);
    *client = {first_index, first_index, first_index - 1, first_index - 1};
    daemon_head = daemon_tail = first_index;
  }
  ~Shared() { munmap(client, 2 * HSYS_PAGE); }
  RingConsumer consumer(uint32_t first_index)
  {
    return RingConsumer(mm::UserMemory(region), {offsetof(Words, tail), HSYS_PAGE, kEntries, sizeof(uint32_t), first_index}, &daemon_head,
                        &daemon_wake);
  }

  RefPtr<mm::SharedRegion> region;
  Words *client;
  uint32_t *entries;
  uint32_t daemon_head = 0, daemon_wake = 0, daemon_tail = 0;
};

TEST_CASE("entries come in order, across the end of the ring and of the index")
{
  for (uint32_t first : {0u, UINT32_MAX - 3}) {
    Shared shared(first);
    auto ring = shared.consumer(first);
    for (uint32_t round = 0; round < 20; round++) {
      uint32_t tail = shared.client->tail;
      for (uint32_t count = 0; count < 5; count++)
        shared.entries[(tail + count) % Shared::kEntries] = tail + count;
      shared.client->tail = tail + 5;
      REQUIRE(ring.refresh());
      REQUIRE(ring.available() == 5);
      for (uint32_t count = 0; count < 5; count++) {
        uint32_t entry = 0;
        ring.copy_first({reinterpret_cast<uint8_t *>(&entry), sizeof entry});
        REQUIRE(entry == tail + count);
        ring.advance();
      }
      ring.publish_head();
      REQUIRE(shared.daemon_head == tail + 5);
    }
  }
}

TEST_CASE("tails that are not possible")
{
  Shared shared(100);
  auto ring = shared.consumer(100);
  shared.client->tail = 100 + Shared::kEntries;
  CHECK(ring.refresh());
  for (uint32_t wrong : {100 + Shared::kEntries + 1, 99u, 0u, 100 + (1u << 31)}) {
    CAPTURE(wrong);
    shared.client->tail = wrong;
    CHECK_FALSE(ring.refresh());
    CHECK(ring.available() == Shared::kEntries);
  }
}

TEST_CASE("arming asks for a kick, unless something has come")
{
  Shared shared(10);
  auto ring = shared.consumer(10);
  CHECK(ring.arm());
  CHECK(hsys_publish(&shared.client->tail, &shared.daemon_wake, 10, 11) == 1);
  CHECK(hsys_publish(&shared.client->tail, &shared.daemon_wake, 11, 12) == 0);
  CHECK_FALSE(ring.arm()); // the last tail that was seen is 10
  CHECK(ring.refresh());
  CHECK(ring.arm());
  ring.disarm();
  CHECK(hsys_publish(&shared.client->tail, &shared.daemon_wake, 12, 13) == 0);
}

TEST_CASE("a client that waits for space gets the bell once")
{
  Shared shared(0);
  auto ring = shared.consumer(0);
  shared.client->tail = 8;
  REQUIRE(ring.refresh());
  shared.client->space_wake = 0; // it sleeps until sq_head passes 0
  ring.advance();
  CHECK(ring.publish_head(offsetof(Shared::Words, space_wake)));
  ring.advance();
  CHECK_FALSE(ring.publish_head(offsetof(Shared::Words, space_wake)));
}

TEST_CASE("completions are shown in batches")
{
  Shared shared(0);
  std::vector<uint8_t> entries(256 * sizeof(hsys_cqe));
  RingProducer ring(mm::UserMemory(shared.region),
                    {offsetof(Shared::Words, head), offsetof(Shared::Words, wake), entries.data(), &shared.daemon_tail, 256, 0});
  hsys_cqe entry{};
  for (uint32_t number = 0; number < 3; number++) {
    ring.admission().admit();
    entry.user_data = number;
    CHECK(ring.write(entry) == number);
  }
  CHECK(shared.daemon_tail == 0);
  shared.client->wake = 1; // it sleeps until cq_tail passes 1
  CHECK(ring.publish());
  CHECK(shared.daemon_tail == 3);
  CHECK_FALSE(ring.publish());
  std::memcpy(&entry, entries.data() + 2 * sizeof entry, sizeof entry);
  CHECK(entry.user_data == 2);
  shared.client->head = 3;
  CHECK(ring.refresh_head());
  shared.client->head = 4;
  CHECK_FALSE(ring.refresh_head());
  CHECK(ring.admission().head() == 3);
}

TEST_CASE("a user's rings that take long may take so much of a second, whatever is rung between them, and go on doing so")
{
  platform::Milliseconds now = 5000;
  constexpr uint64_t kMillisecond = 1'000'000, kMost = limits::kSlowRingNanoseconds / kMillisecond;
  // Of two channels, and of somebody else.
  const auto rings = SlowRings::of(1000), more = SlowRings::of(1000), others = SlowRings::of(1001);
  CHECK_FALSE(rings->note(now, 100 * limits::kSlowRingNanoseconds)); // by the clock: they are watched from now on
  CHECK(more->are_watched(now + 999));
  CHECK_FALSE(rings->are_watched(now + 1000));
  CHECK_FALSE(others->are_watched(now));
  // What interrupts take within them is borne for ever.
  bool is_too_slow = false;
  for (uint64_t count = 0; count < 1000; count++, now += 1000 / (kMost / 4))
    is_too_slow = is_too_slow || rings->note(now, 2 * kMillisecond);
  CHECK_FALSE(is_too_slow);
  SUBCASE("in a moment")
  {
    CHECK_FALSE(rings->note(now, kMost / 2 * kMillisecond));
    for (int fast = 0; fast < 100; fast++)
      CHECK_FALSE(more->note(now, limits::kRingNanoseconds));
    CHECK(more->note(now, (kMost / 2 + 1) * kMillisecond));
    CHECK_FALSE(others->note(now, kMost * kMillisecond));
    CHECK_FALSE(others->note(now, kMost / 2 * kMillisecond));
  }
  SUBCASE("all the time, each a little")
  {
    for (uint64_t count = 0; count < 4 * kMost && !is_too_slow; count++, now += 1000 / kMost)
      is_too_slow = (count % 2 == 0 ? rings : more)->note(now, 2 * kMillisecond);
    CHECK(is_too_slow);
  }
  SUBCASE("with a second between")
  {
    for (uint64_t count = 0; count < 100; count++)
      CHECK_FALSE(rings->note(now += 1000, 2 * kMost * kMillisecond));
  }
}

TEST_CASE("what a user's rings took is forgotten with the last of his channels")
{
  auto rings = SlowRings::of(1000);
  rings->note(5000, 2 * limits::kRingNanoseconds);
  CHECK(SlowRings::of(1000)->are_watched(5001));
  rings.reset();
  CHECK_FALSE(SlowRings::of(1000)->are_watched(5001));
}

TEST_CASE("a client may kick as often as it is asked to, and a thousand times a second besides")
{
  KickBudget budget;
  platform::Milliseconds now = 5000;
  for (uint32_t count = 0; count < 100000; count++) {
    budget.note_armed();
    REQUIRE(budget.note_kick(now));
  }
  for (uint32_t second = 0; second < 3; second++, now += 1000)
    for (uint32_t count = 0; count < limits::kUnaskedKicksPerSecond; count++)
      REQUIRE(budget.note_kick(now + count % 1000));
  now -= 1000;
  CHECK_FALSE(budget.note_kick(now + 999));
  // Being asked often without kicking does not save up.
  for (uint32_t count = 0; count < 100000; count++)
    budget.note_armed();
  uint32_t allowed = 0;
  while (budget.note_kick(now + 999))
    allowed++;
  CHECK(allowed == 64);
}
