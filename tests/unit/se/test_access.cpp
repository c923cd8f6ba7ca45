// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/se/access.h"
#include <doctest/doctest.h>

using namespace httpsys;

TEST_CASE("administration is for root and the daemon's own user")
{
  se::set_daemon_uid(990);
  CHECK(se::may_administer(0));
  CHECK(se::may_administer(990));
  CHECK(!se::may_administer(1000));
}

TEST_CASE("a queue is its creator's and root's")
{
  CHECK(se::may_open_queue(1000, 1000));
  CHECK(se::may_open_queue(1000, 0));
  CHECK(!se::may_open_queue(1000, 1001));
  CHECK(!se::may_open_queue(0, 1000));
}

TEST_CASE("low ports are privileged")
{
  se::set_daemon_uid(990);
  CHECK(se::may_listen(1024, 1000));
  CHECK(!se::may_listen(1023, 1000));
  CHECK(se::may_listen(443, 0));
  CHECK(se::may_listen(443, 990));
}
