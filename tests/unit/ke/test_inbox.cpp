// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/inbox.h"
#include "tests/unit/spin.h"
#include <atomic>
#include <doctest/doctest.h>
#include <memory>
#include <thread>

using namespace httpsys;
using namespace httpsys::ke;

TEST_CASE("a task runs once and is destroyed with or without having run")
{
  auto alive = std::make_shared<int>(0);
  int runs = 0;
  {
    Inbox inbox;
    for (int i = 0; i < 600; i++) // more than fit: the rest is spilled
      inbox.send([alive, &runs] { runs++; });
    CHECK(inbox.has_spill());
    CHECK(alive.use_count() == 601);
    bool wake_sender = true;
    CHECK(inbox.drain(wake_sender) == Inbox::kSlots);
    CHECK_FALSE(wake_sender);
    CHECK(runs == 256);
    CHECK(alive.use_count() == 601 - 256);
    CHECK(inbox.is_empty());
  }
  CHECK(runs == 256);
  CHECK(alive.use_count() == 1);
}

TEST_CASE("spilled tasks keep their order, and later ones do not overtake them")
{
  Inbox inbox;
  int next = 0, sent = 0;
  auto send = [&] {
    return inbox.send([&next, number = sent++] {
      CHECK(number == next);
      next++;
    });
  };
  for (uint32_t i = 0; i < Inbox::kSlots; i++)
    CHECK(send());
  CHECK_FALSE(send());
  bool wake_sender = false;
  inbox.drain(wake_sender);
  CHECK_FALSE(send()); // there is room, but one is waiting
  CHECK(inbox.has_spill());
  CHECK(inbox.flush_spill());
  CHECK_FALSE(inbox.has_spill());
  CHECK_FALSE(inbox.flush_spill());
  CHECK(send());
  inbox.drain(wake_sender);
  CHECK(next == sent);
}

TEST_CASE("a sender that waits for room is woken once")
{
  Inbox inbox;
  bool wake_sender = true;
  CHECK_FALSE(inbox.wait_for_space()); // there is room
  inbox.send([] {});
  inbox.drain(wake_sender);
  for (uint32_t i = 0; i < Inbox::kSlots + 1; i++)
    inbox.send([] {});
  CHECK(inbox.wait_for_space());
  inbox.drain(wake_sender);
  CHECK(wake_sender);
  inbox.drain(wake_sender);
  CHECK_FALSE(wake_sender);
  inbox.flush_spill();
  inbox.drain(wake_sender);
  CHECK_FALSE(wake_sender);
}

TEST_CASE("tasks sent from a task are for the next time")
{
  Inbox inbox;
  int runs = 0;
  inbox.send([&] {
    runs++;
    inbox.send([&] { runs++; });
  });
  bool wake_sender = false;
  CHECK(inbox.drain(wake_sender) == 1);
  CHECK(runs == 1);
  CHECK(inbox.drain(wake_sender) == 1);
  CHECK(runs == 2);
}

// Lets two threads do something at the same moment, again and again, with a little jitter.
struct Together {
  explicit Together(uint32_t count) : rounds(count) {}
  template <typename Action>
  void each_round(uint32_t party, Action action)
  {
    for (uint32_t round = 1; round <= rounds; round++) {
      arrived.fetch_add(1);
      spin_until([&] { return arrived.load() >= 2 * round; });
      spin(round * (7 + 4 * party) % 509);
      action(round);
    }
  }
  const uint32_t rounds;
  std::atomic<uint32_t> arrived{0};
};

TEST_CASE("of a sender that publishes and a receiver that falls asleep at the same moment one sees the other")
{
  Together together(100'000);
  Inbox inbox;
  std::atomic<bool> sleeping{false};
  std::atomic<uint32_t> checked{0};
  uint32_t lost = 0;
  bool sender_saw = false;
  std::thread sender([&] {
    together.each_round(0, [&](uint32_t round) {
      inbox.send([] {});
      sender_saw = sleeping.load();
      checked.store(2 * round - 1);
      spin_until([&] { return checked.load() == 2 * round; });
    });
  });
  together.each_round(1, [&](uint32_t round) {
    sleeping.store(true);
    const bool receiver_saw = !inbox.is_empty();
    spin_until([&] { return checked.load() == 2 * round - 1; });
    lost += !sender_saw && !receiver_saw;
    bool wake_sender = false;
    inbox.drain(wake_sender);
    sleeping.store(false);
    checked.store(2 * round);
  });
  sender.join();
  CHECK(lost == 0);
}

TEST_CASE("a million tasks from one thread to another, in order, with no wake-up lost")
{
  constexpr uint32_t kTasks = 1'000'000;
  Inbox inbox;
  uint32_t received = 0;
  bool in_order = true;
  // The receiver's and the sender's sleep, as Core does it; a lost wake-up would hang.
  std::atomic<bool> receiver_sleeps{false};
  std::atomic<uint32_t> receiver_wakes{0}, sender_wakes{0};
  std::thread sender([&] {
    for (uint32_t i = 0; i < kTasks; i++) {
      inbox.send([&received, &in_order, i] { in_order &= received++ == i; });
      if (receiver_sleeps.load()) {
        receiver_wakes.fetch_add(1);
        receiver_wakes.notify_one();
      }
      if (i % 64 == 0)
        inbox.flush_spill();
      if (i % 5000 == 0)
        std::this_thread::yield();
    }
    for (;;) {
      uint32_t before = sender_wakes.load();
      if (inbox.flush_spill() && receiver_sleeps.load()) {
        receiver_wakes.fetch_add(1);
        receiver_wakes.notify_one();
      }
      if (!inbox.has_spill())
        return;
      if (inbox.wait_for_space())
        sender_wakes.wait(before);
    }
  });
  while (received < kTasks) {
    uint32_t before = receiver_wakes.load();
    bool wake_sender = false;
    inbox.drain(wake_sender);
    if (wake_sender) {
      sender_wakes.fetch_add(1);
      sender_wakes.notify_one();
    }
    receiver_sleeps.store(true);
    if (inbox.is_empty() && received < kTasks)
      receiver_wakes.wait(before);
    receiver_sleeps.store(false);
  }
  sender.join();
  CHECK(in_order);
  CHECK(received == kTasks);
  CHECK(inbox.is_empty());
}

TEST_CASE("a mailbox takes tasks from several threads until it is closed")
{
  Mailbox mailbox;
  constexpr size_t kEach = 20'000;
  size_t runs = 0;
  std::vector<std::thread> senders;
  for (int i = 0; i < 3; i++) {
    senders.emplace_back([&] {
      for (size_t k = 0; k < kEach; k++)
        mailbox.send([&runs] { runs++; }, [] {});
    });
  }
  while (runs < 3 * kEach) {
    mailbox.drain();
    std::this_thread::yield();
  }
  for (auto &sender : senders)
    sender.join();
  CHECK(mailbox.is_empty());
  auto alive = std::make_shared<int>(0);
  CHECK(mailbox.send([alive] {}, [] {}));
  CHECK_FALSE(mailbox.is_empty());
  CHECK(mailbox.close().size() == 1);
  CHECK(alive.use_count() == 1);
  bool called = false;
  CHECK_FALSE(mailbox.send([alive] {}, [&] { called = true; }));
  mailbox.while_open([&] { called = true; });
  CHECK_FALSE(called);
  CHECK(alive.use_count() == 1);
  CHECK(runs == 3 * kEach);
}
