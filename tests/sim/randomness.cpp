// SPDX-License-Identifier: GPL-3.0-or-later
// In place of the C library's getrandom, from which wolfSSL takes its seed. Whoever calls it before the first seed_randomness() gets the
// numbers of seed 0: nothing here is secret.
#include "kernel/base/random.h"
#include "tests/sim/wire.h"
#include <sys/types.h>

static httpsys::Random s_random(0);

namespace httpsys::sim {

void seed_randomness(uint64_t seed)
{
  s_random = Random(seed);
}

}

extern "C" ssize_t getrandom(void *buffer, size_t length, unsigned)
{
  auto *bytes = static_cast<uint8_t *>(buffer);
  for (size_t at = 0; at < length; at++)
    bytes[at] = static_cast<uint8_t>(s_random.next());
  return static_cast<ssize_t>(length);
}
