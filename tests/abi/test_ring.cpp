// SPDX-License-Identifier: GPL-3.0-or-later
// The rings themselves: layout and seals, wake-ups in both directions, credit, wrap-around.
#include "tests/abi/ring_fixture.h"
#include "uapi/ring_inline.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <fcntl.h>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t operations_of_a_long_run()
{
  return kIsSanitized || DaemonProcess::first_index() != 0 ? 50000 : 300000;
}

TEST_CASE("a channel has the sizes that were asked for, rounded and capped")
{
  DaemonProcess daemon;
  struct Case {
    uint32_t sq, cq, rx, tx;
    uint32_t sq_got, cq_got, rx_got, tx_got;
  };
  const Case cases[] = {
    {0, 0, 0, 0, HSYS_SQ_ENTRIES_DEFAULT, HSYS_CQ_ENTRIES_DEFAULT, HSYS_ARENA_BYTES_DEFAULT, HSYS_ARENA_BYTES_DEFAULT},
    {1, 1, 1, 1, 1, HSYS_CQ_ENTRIES_MIN, HSYS_ARENA_BYTES_MIN, HSYS_ARENA_BYTES_MIN},
    {100, 300, HSYS_ARENA_BYTES_MIN + 1, HSYS_ARENA_BYTES_MIN + 1, 128, 512, HSYS_ARENA_BYTES_MIN + HSYS_BLOCK_MAX,
     HSYS_ARENA_BYTES_MIN + HSYS_BLOCK_MAX},
    {UINT32_MAX, UINT32_MAX, 0, UINT32_MAX, HSYS_SQ_ENTRIES_MAX, HSYS_CQ_ENTRIES_MAX, HSYS_ARENA_BYTES_DEFAULT, HSYS_ARENA_BYTES_MAX},
  };
  for (const Case &row : cases) {
    CAPTURE(row.sq);
    Client client(daemon, row.sq, row.cq, row.rx, row.tx);
    CHECK(client.geometry.sq_entries == row.sq_got);
    CHECK(client.geometry.cq_entries == row.cq_got);
    CHECK(client.geometry.rx_bytes == row.rx_got);
    CHECK(client.geometry.tx_bytes == row.tx_got);
    CHECK(client.call(operation(HSYS_OP_NOP)).status == HSYS_STATUS_SUCCESS);
  }
}

TEST_CASE("a client can't change what the daemon writes, nor the size of anything")
{
  DaemonProcess daemon;
  Client client(daemon);
  CHECK(mmap(nullptr, HSYS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, client.ktou_fd, 0) == MAP_FAILED);
  CHECK(mprotect(const_cast<uint8_t *>(client.ktou), HSYS_PAGE, PROT_READ | PROT_WRITE) != 0);
  CHECK(pwrite(client.ktou_fd, "x", 1, 0) < 0);
  CHECK(fallocate(client.ktou_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HSYS_PAGE) != 0);
  std::string path = "/proc/self/fd/" + std::to_string(client.ktou_fd);
  int again = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (again >= 0) {
    CHECK(mmap(nullptr, HSYS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED);
    close(again);
  }
  for (int fd : {client.ktou_fd, client.utok_fd}) {
    CHECK(ftruncate(fd, 0) != 0);
    CHECK(ftruncate(fd, 1 << 30) != 0);
  }
  CHECK(client.call(operation(HSYS_OP_NOP)).status == HSYS_STATUS_SUCCESS);
}

// Whoever touches a page waits while it is taken away, for as long as the client's thread takes.
TEST_CASE("no client can take pages of its own half away any more when it is looked at")
{
  DaemonProcess daemon;
  Client client(daemon);
  CHECK(client.call(operation(HSYS_OP_NOP)).status == HSYS_STATUS_SUCCESS);
  const auto bytes = static_cast<off_t>(client.geometry.utok_bytes);
  CHECK(fallocate(client.utok_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, bytes) != 0);
  CHECK(fallocate(client.utok_fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, bytes) != 0);
  CHECK(madvise(client.utok, HSYS_PAGE, MADV_REMOVE) != 0);
  CHECK(mmap(nullptr, HSYS_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, client.utok_fd, 0) == MAP_FAILED);
  CHECK(client.call(operation(HSYS_OP_NOP)).status == HSYS_STATUS_SUCCESS);
}

TEST_CASE("a client that kicks before it has sealed its half is cut off, and nothing of that half is looked at")
{
  DaemonProcess daemon;
  Client other(daemon);
  ControlClient client(daemon);
  client.leaves_unsealed = 1;
  REQUIRE(ring_open_channel(&client, 0, 0, 0, 0) == 0);
  hsys_sqe entry = operation(HSYS_OP_NOP);
  entry.irp_id = ring_next_irp(&client);
  REQUIRE(ring_push(&client, &entry));
  ring_submit(&client);
  hsys_cqe completion{};
  CHECK(ring_next(&client, &completion, kAnswerMilliseconds) == RING_CLOSED);
  CHECK(ring_kpage(&client)->reason == HSYS_REVOKED_UNSEALED);
  CHECK(hsys_load_acquire(&ring_kpage(&client)->sq_head) == DaemonProcess::first_index());
  CHECK(other.call(operation(HSYS_OP_NOP)).status == HSYS_STATUS_SUCCESS);
}

static void run_nops(Client &client, uint64_t count, uint32_t in_flight)
{
  uint64_t submitted = 0, completed = 0;
  hsys_cqe completion{};
  while (completed < count) {
    while (submitted < count && submitted - completed < in_flight) {
      hsys_sqe entry = operation(HSYS_OP_NOP);
      entry.irp_id = ring_next_irp(&client);
      entry.user_data = submitted;
      if (!ring_push(&client, &entry))
        break;
      submitted++;
    }
    ring_submit(&client);
    int result = ring_next(&client, &completion, kAnswerMilliseconds);
    if (result != 1)
      FAIL("operation ", completed, " of ", submitted, " submitted: ", result, " (-4 is a lost wake-up)");
    do {
      // NOPs are answered in order.
      if (completion.user_data != completed || completion.status != HSYS_STATUS_SUCCESS || completion.flags != 0)
        FAIL("operation ", completed, ": user data ", completion.user_data, ", status ", completion.status);
      completed++;
    } while (ring_pop(&client, &completion));
  }
  CHECK(ring_pop(&client, &completion) == 0);
  MESSAGE(in_flight << " in flight: kicks per operation " << static_cast<double>(client.kicks) / static_cast<double>(count)
                    << ", sleeps " << static_cast<double>(client.sleeps) / static_cast<double>(count));
}

TEST_CASE("no wake-up is lost with one operation in flight")
{
  DaemonProcess daemon;
  Client client(daemon);
  run_nops(client, operations_of_a_long_run(), 1);
}

TEST_CASE("no wake-up is lost with several operations in flight")
{
  DaemonProcess daemon;
  for (uint32_t in_flight : {2u, 5u, 16u, 200u}) {
    Client client(daemon);
    run_nops(client, operations_of_a_long_run(), in_flight);
  }
}

TEST_CASE("no wake-up is lost while a client waits for space")
{
  DaemonProcess daemon;
  for (uint32_t sq_entries : {1u, 4u}) {
    Client client(daemon, sq_entries, HSYS_CQ_ENTRIES_MIN);
    uint64_t count = operations_of_a_long_run() / 10, submitted = 0, completed = 0;
    hsys_cqe completion{};
    while (completed < count) {
      hsys_sqe entry = operation(HSYS_OP_NOP);
      // Never more than the credit: then space comes by itself.
      while (submitted < count && submitted - completed < 100) {
        int result = ring_wait_space(&client, kAnswerMilliseconds);
        if (result != 0)
          FAIL("no space for operation ", submitted, ": ", result, " (-4 is a lost wake-up)");
        entry.irp_id = ring_next_irp(&client);
        ring_push(&client, &entry);
        ring_submit(&client);
        submitted++;
      }
      REQUIRE(ring_next(&client, &completion, kAnswerMilliseconds) == 1);
      completed++;
      while (ring_pop(&client, &completion))
        completed++;
    }
  }
}

TEST_CASE("several clients at once")
{
  DaemonProcess daemon;
  std::vector<std::unique_ptr<Client>> clients;
  for (int index = 0; index < 5; index++)
    clients.push_back(std::make_unique<Client>(daemon));
  std::set<uint64_t> sessions;
  for (int round = 0; round < 200; round++) {
    std::vector<uint32_t> ids;
    for (auto &client : clients)
      for (int count = 0; count < 10; count++)
        ids.push_back(client->submit(operation(HSYS_OP_NOP)));
    size_t at = 0;
    for (auto &client : clients)
      for (int count = 0; count < 10; count++)
        client->expect(ids[at++], HSYS_STATUS_SUCCESS);
  }
  for (auto &client : clients)
    sessions.insert(client->welcome.session);
  CHECK(sessions.size() == clients.size());
}

TEST_CASE("without credit an entry stays in the ring, and the reserve is for those who may use it")
{
  DaemonProcess daemon;
  Client client(daemon, 0, HSYS_CQ_ENTRIES_MIN);
  uint32_t ordinary = HSYS_CQ_ENTRIES_MIN - HSYS_CQ_RESERVE;
  uint64_t queue = client.open_queue();
  std::vector<uint32_t> receives;
  for (uint32_t count = 0; count < ordinary; count++)
    receives.push_back(client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue)));
  // CANCEL may use the reserve.
  hsys_sqe cancel = operation(HSYS_OP_CANCEL, 0, receives[7]);
  uint32_t cancel_id = client.submit(cancel);
  std::set<uint32_t> ids;
  for (int count = 0; count < 2; count++)
    ids.insert(client.next().irp_id);
  CHECK(ids == std::set<uint32_t>{receives[7], cancel_id});
  // Both are reaped, so one ordinary operation fits again, and a second one does not.
  client.expect(client.submit(operation(HSYS_OP_NOP)), HSYS_STATUS_SUCCESS);
  uint32_t last = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  uint32_t stuck = client.submit(operation(HSYS_OP_NOP));
  CHECK(client.is_silent());
  CHECK(hsys_load_acquire(&ring_kpage(&client)->sq_head) == client.sq_tail - 1);
  // Another process makes room: the daemon finds out by itself, though nobody kicks.
  ControlClient control(daemon);
  CHECK(control.stats().irps_pending == ordinary);
  // What stays in the ring holds up what is behind it, CLOSE_HANDLE too; so end the session.
  ring_close(&client);
  control.stats_until([](auto &stats) { return stats.channels == 0 && stats.irps_pending == 0; });
  (void)last, (void)stuck;
}

TEST_CASE("an entry without credit is taken when the client reaps")
{
  DaemonProcess daemon;
  Client client(daemon, 0, HSYS_CQ_ENTRIES_MIN);
  uint32_t ordinary = HSYS_CQ_ENTRIES_MIN - HSYS_CQ_RESERVE;
  std::vector<uint32_t> ids;
  for (uint32_t count = 0; count < ordinary + 5; count++)
    ids.push_back(client.submit(operation(HSYS_OP_NOP)));
  for (int tries = 0; tries < 1000 && hsys_load_acquire(&ring_kpage(&client)->sq_head) != client.sq_tail - 5; tries++)
    ControlClient::pause();
  // None is reaped yet: five stay.
  CHECK(hsys_load_acquire(&ring_kpage(&client)->sq_head) == client.sq_tail - 5);
  for (uint32_t id : ids)
    client.expect(id, HSYS_STATUS_SUCCESS);
}

TEST_CASE("a kick storm costs the kicker its kick, but not its operations")
{
  DaemonProcess daemon;
  Client client(daemon), other(daemon);
  for (int round = 0; round < 3; round++) {
    for (int count = 0; count < 50000; count++)
      ring_kick(&client);
    client.expect(client.submit(operation(HSYS_OP_NOP)), HSYS_STATUS_SUCCESS);
    other.expect(other.submit(operation(HSYS_OP_NOP)), HSYS_STATUS_SUCCESS);
  }
  // Afterwards as before.
  usleep(1200000);
  run_nops(client, 2000, 1);
}

TEST_CASE("a client that fills its own bell harms nobody")
{
  DaemonProcess daemon;
  Client client(daemon);
  // It asks to be woken at every completion and never reads the bell.
  for (uint32_t count = 0; count < 6000; count++) {
    __atomic_store_n(&ring_upage(&client)->cq_wake, client.cq_head, __ATOMIC_SEQ_CST);
    hsys_sqe entry = operation(HSYS_OP_NOP);
    entry.irp_id = ring_next_irp(&client);
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
    hsys_cqe completion;
    while (!ring_pop(&client, &completion))
      usleep(1);
  }
}

TEST_CASE("indices far from zero, when the daemon starts them there")
{
  DaemonProcess daemon;
  Client client(daemon, 8, HSYS_CQ_ENTRIES_MIN);
  CHECK(client.sq_tail == DaemonProcess::first_index());
  CHECK(client.cq_head == DaemonProcess::first_index());
  run_nops(client, 3000, 5);
  uint64_t queue = client.open_queue();
  for (int count = 0; count < 1000; count++) {
    hsys_sqe entry = operation(HSYS_OP_RECEIVE_BODY, queue, 5);
    entry.out_length = 3000;
    CHECK(client.output(client.call(entry)) == std::string(3000, '\5'));
  }
}
