// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/secret_memory.h"
#include "tests/unit/platform/mapping_flags.h"
#include <doctest/doctest.h>
#include <string>

using namespace httpsys::platform;
using httpsys::test::flags_of;

TEST_CASE("secret bytes are locked, and left out of core files and children")
{
  SecretBytes secret(5000, 0x5a);
  auto flags = flags_of(secret.data());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // sanitizers ignore mlock
  CHECK(flags.find(" lo ") != std::string::npos);
#endif
  CHECK(flags.find(" dd ") != std::string::npos);
  CHECK(flags.find(" dc ") != std::string::npos);
  CHECK(flags_of(secret.data() + 4999) == flags);
}

TEST_CASE("secret bytes are gone when their vector is")
{
  const uint8_t *where = nullptr;
  {
    SecretBytes secret(100, 0x5a);
    where = secret.data();
    CHECK(flags_of(where) != "");
  }
  CHECK(flags_of(where).find(" lo ") == std::string::npos);
}
