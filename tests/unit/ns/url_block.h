// SPDX-License-Identifier: GPL-3.0-or-later
// The parameters of ADD_URL and REMOVE_URL.
#pragma once
#include "uapi/ops.h"
#include <cstring>
#include <string>
#include <vector>

namespace httpsys::test {

inline std::vector<uint8_t> url_block(const std::u16string &url)
{
  hsys_url head{0, static_cast<uint32_t>(url.size() * 2), 0};
  std::vector<uint8_t> block(sizeof head + url.size() * 2);
  std::memcpy(block.data(), &head, sizeof head);
  std::memcpy(block.data() + sizeof head, url.data(), url.size() * 2);
  return block;
}

// ASCII.
inline std::vector<uint8_t> url_block(const std::string &url)
{
  return url_block(std::u16string(url.begin(), url.end()));
}

}
