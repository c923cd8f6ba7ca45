// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/io/dispatch.h"
#include "uapi/response.h"
#include <cstring>
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::io;

static constexpr uint64_t kArena = HSYS_ARENA_BYTES_MIN;

static hsys_sqe entry_of(hsys_op operation)
{
  hsys_sqe entry{};
  entry.op = static_cast<uint8_t>(operation);
  return entry;
}

static NtStatus check(const hsys_sqe &entry)
{
  const OperationRow *row = nullptr;
  std::string reason;
  NtStatus status = check_entry(entry, kArena, row, reason);
  CHECK((status == NtStatus::Success) == reason.empty());
  return status;
}

TEST_CASE("every row of ops.def is in the table under its number")
{
  int rows = 0;
  for (int op = 0; op < 256; op++) {
    const OperationRow *row = operation_row(static_cast<uint8_t>(op));
    const char *name = nullptr;
    switch (op) {
#define HSYS_OP(operation, number, handle, object, in_min, in_max, op_flags, traits) \
  case number:                                                                       \
    name = #operation;                                                               \
    break;
#include "uapi/ops.def"
#undef HSYS_OP
    default:
      break;
    }
    CAPTURE(op);
    REQUIRE((row != nullptr) == (name != nullptr));
    if (row) {
      rows++;
      CHECK(std::strcmp(row->name, name) == 0);
      CHECK(row->in_min <= row->in_max);
      CHECK(row->in_max <= HSYS_PARAMETERS_MAX);
    }
  }
  CHECK(rows == 19);
}

TEST_CASE("kinds of a row")
{
  using Row = OperationRow;
  CHECK(operation_row(HSYS_OP_BIND_URL_GROUP)->handle == Row::Handle::Optional);
  CHECK(operation_row(HSYS_OP_BIND_URL_GROUP)->object == Row::Object::Group);
  CHECK(operation_row(HSYS_OP_RECEIVE_CERTIFICATE)->handle == Row::Handle::Queue);
  CHECK(operation_row(HSYS_OP_RECEIVE_CERTIFICATE)->object == Row::Object::Connection);
  CHECK(operation_row(HSYS_OP_CANCEL)->handle == Row::Handle::None);
  CHECK(operation_row(HSYS_OP_CANCEL)->object == Row::Object::Irp);
}

TEST_CASE("an entry that obeys its row")
{
  CHECK(check(entry_of(HSYS_OP_NOP)) == NtStatus::Success);
  hsys_sqe entry = entry_of(HSYS_OP_SEND_RESPONSE);
  entry.in_length = sizeof(hsys_response);
  entry.in_offset = static_cast<uint32_t>(kArena) - entry.in_length;
  entry.op_flags = HSYS_SEND_DISCONNECT | HSYS_SEND_NAGLING;
  entry.handle = 1;
  entry.object_id = 1;
  CHECK(check(entry) == NtStatus::Success);
  entry = entry_of(HSYS_OP_RECEIVE_REQUEST);
  entry.out_length = UINT32_MAX;
  CHECK(check(entry) == NtStatus::Success);
}

TEST_CASE("entries that break their row")
{
  hsys_sqe send = entry_of(HSYS_OP_SEND_BODY);
  send.in_length = sizeof(hsys_send_body);
  struct Case {
    const char *what;
    hsys_sqe entry;
    void (*change)(hsys_sqe &entry);
  };
  const Case cases[] = {
    {"unknown operation", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.op = 2; }},
    {"operation past the table", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.op = 255; }},
    {"flags", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.flags = 0x80; }},
    {"reserved0", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.reserved0 = 1; }},
    {"reserved1", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.reserved1 = 1; }},
    {"reserved2", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.reserved2 = uint64_t{1} << 63; }},
    {"op_flags of NOP", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.op_flags = 1; }},
    {"unknown op_flags", send, [](hsys_sqe &entry) { entry.op_flags = 0x10; }},
    {"output of an operation without", send, [](hsys_sqe &entry) { entry.out_length = 1; }},
    {"parameters of an operation without", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.in_length = 1; }},
    {"parameters too short", send, [](hsys_sqe &entry) { entry.in_length--; }},
    {"parameters too long", send, [](hsys_sqe &entry) { entry.in_length = HSYS_PARAMETERS_MAX + 1; }},
    {"parameters past the arena", send, [](hsys_sqe &entry) { entry.in_offset = static_cast<uint32_t>(kArena) - 1; }},
    {"parameters far past the arena", send, [](hsys_sqe &entry) { entry.in_offset = UINT32_MAX; }},
    {"offset and length wrap", send, [](hsys_sqe &entry) { entry.in_offset = UINT32_MAX - sizeof(hsys_send_body) + 1; }},
    {"handle of an operation without", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.handle = 1; }},
    {"object of an operation without", entry_of(HSYS_OP_NOP), [](hsys_sqe &entry) { entry.object_id = uint64_t{1} << 40; }},
  };
  for (const Case &row : cases) {
    CAPTURE(row.what);
    hsys_sqe entry = row.entry;
    CHECK(check(entry) == NtStatus::Success);
    row.change(entry);
    CHECK(check(entry) == NtStatus::InvalidParameter);
  }
}
