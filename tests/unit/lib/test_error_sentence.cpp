// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/error_sentence.h"
#include "lib/include/winerror.h"
#include <algorithm>
#include <doctest/doctest.h>
#include <string>

using namespace httpsys::lib;

TEST_CASE("a sentence has function, reason and code")
{
  CHECK(std::string(error_sentence("F", ERROR_NOT_FOUND, "why").c_str()) == "F: why (ERROR_NOT_FOUND 1168)");
  CHECK(std::string(error_sentence("F", ERROR_INVALID_PARAMETER, "").c_str()).ends_with(" (ERROR_INVALID_PARAMETER 87)"));
}

TEST_CASE("a reason that is too long is cut, and the code behind it stays")
{
  for (size_t size : {980u, 990u, 1000u, 1010u, 1024u, 5000u}) {
    const std::string text = error_sentence("HttpReceiveClientCertificate", ERROR_NOT_FOUND, std::string(size, 'x')).c_str();
    CHECK(text.starts_with("HttpReceiveClientCertificate: xxx"));
    CHECK(text.ends_with("x (ERROR_NOT_FOUND 1168)"));
    CHECK(text.size() == std::min<size_t>(1024, size + 54));
  }
}
