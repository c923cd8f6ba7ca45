// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/checked_math.h"
#include "kernel/base/intrusive_list.h"
#include "kernel/base/refptr.h"
#include "kernel/base/result.h"
#include <doctest/doctest.h>
#include <memory>

using namespace httpsys;

static Result<int> half(int number)
{
  if (number % 2 != 0)
    return NtStatus::InvalidParameter;
  return number / 2;
}

static Result<int> quarter(int number) { return TRY(half(TRY(half(number)))); }

TEST_CASE("TRY passes the first error on")
{
  CHECK(quarter(8).value() == 2);
  CHECK(quarter(6).error() == NtStatus::InvalidParameter);
}

TEST_CASE("Result holds a move-only value")
{
  Result<std::unique_ptr<int>> owned = std::make_unique<int>(7);
  CHECK(*owned.release_value() == 7);
}

TEST_CASE("status names")
{
  CHECK(status_name(NtStatus::NotFound) == std::string("NOT_FOUND"));
  CHECK(status_name(static_cast<NtStatus>(12345)) == std::string("?"));
  CHECK(is_success(NtStatus::Pending));
  CHECK(!is_success(NtStatus::BufferOverflow));
}

TEST_CASE("ranges from outside do not wrap")
{
  CHECK(range_fits(0, 0, 0));
  CHECK(range_fits(4, 6, 10));
  CHECK(!range_fits(5, 6, 10));
  CHECK(!range_fits(UINT64_MAX, 2, 10));
  CHECK(!range_fits(1, UINT64_MAX, 10));
  CHECK(!checked_add<uint32_t>(UINT32_MAX, 1));
  CHECK(checked_mul<uint32_t>(3, 4) == 12u);
}

struct Counted : RefCounted<Counted>, ListLink<Counted> {
  explicit Counted(int &counter) : alive(counter) { alive++; }
  ~Counted() { alive--; }
  int &alive;
};

TEST_CASE("RefPtr frees with the last reference")
{
  int alive = 0;
  {
    auto one = RefPtr<Counted>::adopt(new Counted(alive));
    auto two = one;
    CHECK(one->ref_count() == 2);
    one = nullptr;
    CHECK(alive == 1);
  }
  CHECK(alive == 0);
}

TEST_CASE("intrusive list keeps order and lets go of its elements")
{
  int alive = 0;
  auto a = RefPtr<Counted>::adopt(new Counted(alive)), b = RefPtr<Counted>::adopt(new Counted(alive));
  IntrusiveList<Counted> list;
  list.append(*b);
  list.prepend(*a);
  CHECK(list.size() == 2);
  CHECK(list.first() == a.get());
  CHECK(list.next(*a) == b.get());
  list.remove(*a);
  CHECK(list.take_first() == b.get());
  CHECK(list.take_first() == nullptr);
}
