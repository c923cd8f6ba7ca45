// SPDX-License-Identifier: GPL-3.0-or-later
// Trust rules T5 and T6: a wrong entry fails alone, a broken protocol ends the session, and neither disturbs anybody else.
#include "tests/abi/ring_fixture.h"
#include "uapi/ring_inline.h"
#include <cstring>

// Breaks the protocol in one session while another one works.
template <typename Break>
static void check_revoked(uint32_t reason, Break break_rules)
{
  DaemonProcess daemon;
  Client client(daemon), other(daemon);
  client.expect(client.submit(operation(HSYS_OP_NOP)), HSYS_STATUS_SUCCESS);
  uint64_t queue = client.open_queue();
  uint32_t parked = client.submit(operation(HSYS_OP_RECEIVE_REQUEST, queue));
  (void)parked;
  break_rules(client, queue);
  ring_kick(&client);
  client.expect_revoked(reason);
  other.expect(other.submit(operation(HSYS_OP_NOP)), HSYS_STATUS_SUCCESS);
  ControlClient control(daemon);
  auto stats = control.stats_until([](auto &numbers) { return numbers.channels == 1 && numbers.sessions == 2; });
  CHECK(stats.irps_pending == 0);
  CHECK(stats.handles == 0);
  CHECK(stats.blocks_lent == 0);
  CHECK(control.reported("handles closed") == 1);
}

static void store(uint32_t &word, uint32_t value)
{
  __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

TEST_CASE("sq_tail beyond the ring")
{
  check_revoked(HSYS_REVOKED_SQ_INDEX,
                [](Client &client, uint64_t) { store(ring_upage(&client)->sq_tail, client.sq_tail + client.geometry.sq_entries + 1); });
}

TEST_CASE("sq_tail moved back")
{
  check_revoked(HSYS_REVOKED_SQ_INDEX, [](Client &client, uint64_t) {
    // Only what the daemon has consumed is behind it.
    while (hsys_load_acquire(&ring_kpage(&client)->sq_head) != client.sq_tail)
      ControlClient::pause();
    store(ring_upage(&client)->sq_tail, client.sq_tail - 1);
  });
}

TEST_CASE("cq_head moved back")
{
  check_revoked(HSYS_REVOKED_CQ_INDEX, [](Client &client, uint64_t) {
    // The daemon looks at cq_head when a slot is named again.
    for (uint32_t count = 0; count < client.geometry.cq_entries; count++) {
      uint32_t id = ring_next_irp(&client);
      if (HSYS_IRP_SLOT(id) == 2)
        ring_next_irp(&client); // the parked receive's
      else if (HSYS_IRP_SLOT(id) == 0)
        break;
    }
    hsys_sqe entry = operation(HSYS_OP_NOP);
    entry.irp_id = HSYS_IRP_ID(0, 9);
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
    hsys_cqe completion;
    REQUIRE(ring_next(&client, &completion, kAnswerMilliseconds) == 1);
    store(ring_upage(&client)->cq_head, client.cq_head - 2);
    entry.irp_id = HSYS_IRP_ID(0, 10);
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
  });
}

TEST_CASE("cq_head beyond what was published")
{
  check_revoked(HSYS_REVOKED_CQ_INDEX, [](Client &client, uint64_t) {
    store(ring_upage(&client)->cq_head, client.cq_head + 1);
    hsys_sqe entry = operation(HSYS_OP_NOP);
    entry.irp_id = HSYS_IRP_ID(0, 9); // reaped by what the daemon last saw or not: it looks again
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
  });
}

TEST_CASE("a block that was never lent")
{
  check_revoked(HSYS_REVOKED_BLOCK, [](Client &client, uint64_t) { ring_return(&client, 3); });
}

TEST_CASE("a block number outside of the arena")
{
  check_revoked(HSYS_REVOKED_BLOCK, [](Client &client, uint64_t) { ring_return(&client, UINT32_MAX); });
}

TEST_CASE("a block handed back twice")
{
  check_revoked(HSYS_REVOKED_BLOCK, [](Client &client, uint64_t queue) {
    hsys_sqe entry = operation(HSYS_OP_RECEIVE_BODY, queue);
    entry.out_length = 10;
    auto completion = client.call(entry);
    REQUIRE((completion.flags & HSYS_CQE_BLOCK));
    ring_return(&client, completion.block);
    ring_return(&client, completion.block);
  });
}

TEST_CASE("a block's second granule")
{
  check_revoked(HSYS_REVOKED_BLOCK, [](Client &client, uint64_t queue) {
    hsys_sqe entry = operation(HSYS_OP_RECEIVE_BODY, queue);
    entry.out_length = HSYS_BLOCK_MIN + 1;
    auto completion = client.call(entry);
    REQUIRE((completion.flags & HSYS_CQE_BLOCK));
    ring_return(&client, completion.block + 1);
  });
}

TEST_CASE("ret_tail beyond the ring")
{
  check_revoked(HSYS_REVOKED_RET_INDEX, [](Client &client, uint64_t) {
    store(ring_upage(&client)->ret_tail, client.ret_tail + client.geometry.ret_entries + 1);
  });
}

TEST_CASE("a slot named again while its operation is in flight")
{
  check_revoked(HSYS_REVOKED_IRP_IN_USE, [](Client &client, uint64_t queue) {
    hsys_sqe entry = operation(HSYS_OP_RECEIVE_REQUEST, queue);
    entry.irp_id = ring_next_irp(&client);
    REQUIRE(ring_push(&client, &entry) == 1);
    entry.irp_id += 1u << 16; // another sequence, the same slot
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
  });
}

TEST_CASE("a slot named again before its completion is reaped")
{
  check_revoked(HSYS_REVOKED_IRP_IN_USE, [](Client &client, uint64_t) {
    hsys_sqe entry = operation(HSYS_OP_NOP);
    entry.irp_id = ring_next_irp(&client);
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
    REQUIRE(ring_wait(&client, kAnswerMilliseconds) == 0); // published, but cq_head stays
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
  });
}

TEST_CASE("a slot may be named again at once when its completion is reaped")
{
  DaemonProcess daemon;
  Client client(daemon);
  for (uint32_t sequence = 0; sequence < 1000; sequence++) {
    hsys_sqe entry = operation(HSYS_OP_NOP);
    entry.irp_id = HSYS_IRP_ID(5, sequence & 0xffff);
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
    hsys_cqe completion;
    REQUIRE(ring_next(&client, &completion, kAnswerMilliseconds) == 1);
    REQUIRE(completion.irp_id == entry.irp_id);
  }
}

TEST_CASE("entries that break their operation's row fail alone, with a reason")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  hsys_sqe nop = operation(HSYS_OP_NOP);
  hsys_sqe send = operation(HSYS_OP_SEND_BODY, queue, 1);
  send.in_length = sizeof(hsys_send_body);
  struct Case {
    const char *what;
    hsys_sqe entry;
    void (*change)(hsys_sqe &entry);
    uint32_t status;
    const char *reason;
  };
  const uint32_t invalid = static_cast<uint32_t>(HSYS_STATUS_INVALID_PARAMETER);
  const uint32_t bad_handle = static_cast<uint32_t>(HSYS_STATUS_INVALID_HANDLE);
  const Case cases[] = {
    {"unknown operation", nop, [](hsys_sqe &entry) { entry.op = 3; }, invalid, "operation 3 is not known"},
    {"operation past the table", nop, [](hsys_sqe &entry) { entry.op = 255; }, invalid, "operation 255 is not known"},
    {"flags", nop, [](hsys_sqe &entry) { entry.flags = 1; }, invalid, "reserved"},
    {"reserved0", nop, [](hsys_sqe &entry) { entry.reserved0 = 1; }, invalid, "reserved"},
    {"reserved1", nop, [](hsys_sqe &entry) { entry.reserved1 = 1; }, invalid, "reserved"},
    {"reserved2", nop, [](hsys_sqe &entry) { entry.reserved2 = 1; }, invalid, "reserved"},
    {"op_flags", nop, [](hsys_sqe &entry) { entry.op_flags = 1; }, invalid, "flags"},
    {"handle where none belongs", nop, [](hsys_sqe &entry) { entry.handle = 1; }, invalid, "handle"},
    {"id where none belongs", nop, [](hsys_sqe &entry) { entry.object_id = 1; }, invalid, "id"},
    {"block beyond the arena", send, [](hsys_sqe &entry) { entry.in_offset = HSYS_ARENA_BYTES_DEFAULT - 1; }, invalid, "arena"},
    {"block far beyond the arena", send, [](hsys_sqe &entry) { entry.in_offset = UINT32_MAX - 4; }, invalid, "arena"},
    {"block too short", send, [](hsys_sqe &entry) { entry.in_length = 1; }, invalid, "bytes"},
    {"block too long", send, [](hsys_sqe &entry) { entry.in_length = HSYS_PARAMETERS_MAX + 1; }, invalid, "bytes"},
    {"no handle", send, [](hsys_sqe &entry) { entry.handle = 0; }, bad_handle, "not open"},
    {"stale handle", send, [](hsys_sqe &entry) { entry.handle ^= 0x10000; }, bad_handle, "not open"},
    {"wide handle", send, [](hsys_sqe &entry) { entry.handle |= uint64_t{1} << 32; }, bad_handle, "not open"},
    {"slot beyond the table", nop, [](hsys_sqe &) {}, invalid, "slots"},
    {"an operation that nobody serves", operation(HSYS_OP_CREATE_SERVER_SESSION), [](hsys_sqe &) {},
     static_cast<uint32_t>(HSYS_STATUS_NOT_SUPPORTED), "CREATE_SERVER_SESSION"},
  };
  for (const Case &row : cases) {
    CAPTURE(row.what);
    hsys_sqe entry = row.entry;
    row.change(entry);
    entry.irp_id = ring_next_irp(&client);
    if (std::strcmp(row.what, "slot beyond the table") == 0)
      entry.irp_id = HSYS_IRP_ID(client.geometry.cq_entries, 1);
    entry.user_data = entry.irp_id + 0x100000000ull;
    REQUIRE(ring_push(&client, &entry) == 1);
    ring_submit(&client);
    auto completion = client.expect(entry.irp_id, row.status);
    CHECK(client.reason(completion).find(row.reason) != std::string::npos);
  }
  client.expect(client.submit(operation(HSYS_OP_NOP)), HSYS_STATUS_SUCCESS);
}

TEST_CASE("extents outside of the send arena")
{
  DaemonProcess daemon;
  Client client(daemon);
  uint64_t queue = client.open_queue();
  auto echo = [&](uint32_t offset, uint32_t length) {
    hsys_send_body head{};
    head.size = sizeof head + sizeof(hsys_extent);
    head.version = 1;
    head.extent_count = 1;
    head.extent_offset = sizeof head;
    hsys_extent extent{offset, length};
    std::memcpy(ring_arena(&client, 0), &head, sizeof head);
    std::memcpy(ring_arena(&client, sizeof head), &extent, sizeof extent);
    hsys_sqe entry = operation(HSYS_OP_SEND_BODY, queue, 1);
    entry.in_length = head.size;
    return client.call(entry);
  };
  uint32_t size = static_cast<uint32_t>(client.geometry.tx_bytes);
  std::memcpy(ring_arena(&client, size - 5), "hello", 5);
  CHECK(client.output(echo(size - 5, 5)) == "hello");
  struct Case {
    uint32_t offset, length;
  };
  for (const Case &row : {Case{size - 5, 6}, Case{size, 1}, Case{UINT32_MAX, 1}, Case{0, size + 1}, Case{UINT32_MAX, UINT32_MAX}}) {
    CAPTURE(row.offset);
    auto completion = echo(row.offset, row.length);
    CHECK(completion.status == static_cast<uint32_t>(HSYS_STATUS_INVALID_PARAMETER));
    CHECK(client.reason(completion).find("arena") != std::string::npos);
  }
}

TEST_CASE("more parameter blocks in flight than the send arena holds")
{
  DaemonProcess daemon;
  Client client(daemon, 0, 0, 0, HSYS_ARENA_BYTES_MIN);
  uint64_t queue = client.open_queue();
  hsys_sqe entry = operation(HSYS_OP_SEND_RESPONSE, queue, 1);
  entry.in_length = HSYS_PARAMETERS_MAX;
  std::vector<uint32_t> parked;
  for (uint32_t count = 0; count < HSYS_ARENA_BYTES_MIN / HSYS_PARAMETERS_MAX; count++)
    parked.push_back(client.submit(entry));
  auto refused = client.call(entry);
  CHECK(refused.status == static_cast<uint32_t>(HSYS_STATUS_INSUFFICIENT_RESOURCES));
  CHECK(client.reason(refused).find("send arena") != std::string::npos);
  uint32_t cancel = client.submit(operation(HSYS_OP_CANCEL, 0, parked[0]));
  client.expect(parked[0], static_cast<uint32_t>(HSYS_STATUS_CANCELLED));
  client.expect(cancel, HSYS_STATUS_SUCCESS);
  client.submit(entry);
  CHECK(client.is_silent());
}
