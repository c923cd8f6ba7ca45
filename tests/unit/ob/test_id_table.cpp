// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ob/id_table.h"
#include <doctest/doctest.h>

using namespace httpsys;
using ob::IdTable;
using ob::IdType;

TEST_CASE("an id carries its type and its core")
{
  IdTable<int> table(IdType::Request, 3, 0x1234);
  int object = 0;
  uint64_t id = table.add(object);
  CHECK(id != 0);
  CHECK(ob::id_type(id) == IdType::Request);
  CHECK(ob::id_core(id) == 3);
  CHECK(table.find(id) == &object);
}

TEST_CASE("a stale id finds nothing, even in a reused slot")
{
  IdTable<int> table(IdType::Connection, 0, UINT32_MAX);
  int first = 1, second = 2;
  uint64_t old_id = table.add(first);
  table.remove(old_id);
  uint64_t id = table.add(second);
  CHECK((id & 0xfffff) == (old_id & 0xfffff));
  CHECK(table.find(old_id) == nullptr);
  CHECK(table.find(id) == &second);
  CHECK(table.count() == 1);
}

TEST_CASE("ids of other tables and malformed ids find nothing")
{
  IdTable<int> table(IdType::Request, 1, 99), other_core(IdType::Request, 2, 99), other_type(IdType::Connection, 1, 99);
  int object = 0;
  uint64_t id = table.add(object);
  CHECK(other_core.find(other_core.add(object)) == &object);
  CHECK(other_type.find(other_type.add(object)) == &object);
  for (uint64_t wrong : {uint64_t{0}, other_core.add(object), other_type.add(object), id + 1, id ^ uint64_t{1} << 32,
                         id ^ uint64_t{1} << 28, id ^ uint64_t{1} << 20, UINT64_MAX, id & 0xffffffff}) {
    CAPTURE(wrong);
    CHECK(table.find(wrong) == nullptr);
  }
}

TEST_CASE("a full table gives no id")
{
  IdTable<int> table(IdType::Request, 0, 1);
  int object = 0;
  uint64_t id = 0;
  for (uint32_t count = 0; count < IdTable<int>::kMaximumSlots; count++)
    id = table.add(object);
  CHECK(table.add(object) == 0);
  table.remove(id);
  CHECK(table.add(object) != 0);
}

TEST_CASE("for_each visits what is alive")
{
  IdTable<int> table(IdType::UrlGroup, 0, 1);
  int objects[4] = {1, 2, 4, 8};
  uint64_t ids[4];
  for (int index = 0; index < 4; index++)
    ids[index] = table.add(objects[index]);
  table.remove(ids[1]);
  int sum = 0;
  table.for_each([&](int &object) { sum += object; });
  CHECK(sum == 13);
}
