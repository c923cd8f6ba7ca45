// SPDX-License-Identifier: GPL-3.0-or-later
// Who gets no session because of closes that he holds up.
#include "kernel/io/held_closes.h"
#include "kernel/limits.h"
#include "kernel/platform/linux/linux_system.h"
#include "kernel/se/access.h"
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::io;

namespace {

class System final : public platform::LinuxSystem {
public:
  std::vector<platform::HeldCloses> held;
  std::vector<platform::HeldCloses> held_closes() override { return held; }
};

System &the_system()
{
  static System system;
  return system;
}

}

TEST_CASE("a user who holds up as many closes as he may not gets no session; uid 0, the daemon's own and others do")
{
  constexpr uint32_t kUser = 1000, kOther = 1001, kDaemon = 64999;
  platform::set_system(the_system());
  se::set_daemon_uid(kDaemon);
  HeldClosesWatch watch;
  CHECK_FALSE(watch.refusal(kUser));
  the_system().held = {{kUser, limits::kClosesHeldPerUser - 1}, {kOther, limits::kClosesHeldPerUser}, {0, 10'000}, {kDaemon, 10'000}};
  CHECK_FALSE(watch.refusal(kUser));
  CHECK(watch.refusal(kOther) == "a process of uid 1001 holds up the close of 48 descriptors of its ended sessions, 47 may be "
                                 "(kClosesHeldPerUser)");
  CHECK_FALSE(watch.refusal(0));
  CHECK_FALSE(watch.refusal(kDaemon));
  CHECK_FALSE(watch.refusal(platform::kNoUser));
  // Neither the sum of all nor what is nobody's counts.
  the_system().held = {{platform::kNoUser, 10'000}, {kUser, limits::kClosesHeldPerUser}, {kOther, limits::kClosesHeldPerUser - 1}};
  CHECK(watch.refusal(kUser));
  CHECK_FALSE(watch.refusal(kOther));
  CHECK_FALSE(watch.refusal(kOther + 1));
  se::set_daemon_uid(0);
  the_system().held.clear();
}
