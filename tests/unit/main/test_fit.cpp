// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/fit.h"
#include <doctest/doctest.h>

using namespace httpsys;
using httpsys::main::fit;

static constexpr uint64_t kMiB = 1 << 20;

TEST_CASE("what the configuration leaves open fits the memory that there is")
{
  const Config defaults;
  Config small = fit(defaults, 192 * kMiB, 2);
  CHECK(small.clients.channel_bytes_total == 96 * kMiB);
  CHECK(small.clients.waiting_output_bytes_total == 24 * kMiB);
  CHECK(small.limits.connection_buffer_bytes_total == 24 * kMiB);
  CHECK(small.limits.certificate_wait_body_bytes_total == 24 * kMiB);
  CHECK(small.limits.max_connections == 192);
  CHECK(small.limits.multishot_receives == 6);
  Config large = fit(defaults, 24'000 * kMiB, 2);
  CHECK(large.clients.channel_bytes_total == 12'000 * kMiB);
  CHECK(large.clients.waiting_output_bytes_total == 3000 * kMiB);
  CHECK(large.limits.connection_buffer_bytes_total == 256 * kMiB);
  CHECK(large.limits.certificate_wait_body_bytes_total == 128 * kMiB);
  CHECK(large.limits.max_connections == 24'000);
  CHECK(large.limits.multishot_receives == 750);
  // Who starts with less serves somebody all the same.
  CHECK(fit(defaults, 32 * kMiB, 1).limits.max_connections == 64);
}

TEST_CASE("one user has half of the connections that memory and descriptors allow, unless it is set")
{
  Config config = fit({}, 192 * kMiB, 1);
  CHECK(httpsys::main::requests_per_user(config, 1000) == 96);
  CHECK(httpsys::main::requests_per_user(config, 150) == 75);
  config.limits.max_connections = 1;
  CHECK(httpsys::main::requests_per_user(config, 150) == 1);
  config.clients.requests_per_user = 5000;
  CHECK(httpsys::main::requests_per_user(config, 150) == 5000);
}

TEST_CASE("what the configuration says holds, but that each core needs some buffers, and that bodies must not outgrow the memory")
{
  Config config;
  config.clients.channel_bytes_total = 1000 * kMiB;
  config.clients.waiting_output_bytes_total = 7 * kMiB;
  config.limits.connection_buffer_bytes_total = 500 * kMiB;
  config.limits.certificate_wait_body_bytes_total = 20 * kMiB;
  config.limits.max_connections = 100'000;
  Config fitted = fit(config, 192 * kMiB, 64);
  CHECK(fitted.clients.channel_bytes_total == 1000 * kMiB);
  CHECK(fitted.clients.waiting_output_bytes_total == 7 * kMiB);
  CHECK(fitted.limits.connection_buffer_bytes_total == 500 * kMiB);
  CHECK(fitted.limits.certificate_wait_body_bytes_total == 20 * kMiB);
  CHECK(fitted.limits.max_connections == 100'000);
  config.limits.connection_buffer_bytes_total = 1;
  CHECK(fit(config, 192 * kMiB, 1).limits.connection_buffer_bytes_total == kMiB);
  CHECK(fit(config, 512 * kMiB, 64).limits.connection_buffer_bytes_total == 64 * kMiB);
  // Many cores have no more than the part of the memory all the same.
  for (uint64_t set = 0; set < 2; set++) {
    config.limits.connection_buffer_bytes_total = set;
    CHECK(fit(config, 256 * kMiB, 128).limits.connection_buffer_bytes_total == 32 * kMiB);
  }
}
