// SPDX-License-Identifier: GPL-3.0-or-later
// For test_hang.py: a case whose parts are over in time, and one that never is.
#include <doctest/doctest.h>
#include <unistd.h>

TEST_CASE("subcases")
{
  SUBCASE("one") { usleep(900'000); }
  SUBCASE("two") { usleep(900'000); }
  SUBCASE("three") { usleep(900'000); }
}

TEST_CASE("waits for nothing")
{
  for (;;)
    pause();
}
