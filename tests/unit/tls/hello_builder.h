// SPDX-License-Identifier: GPL-3.0-or-later
// Builds ClientHellos and records byte by byte, the wrong ones too.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace httpsys::tls::test {

using Bytes = std::vector<uint8_t>;

inline std::string number(size_t value, unsigned size)
{
  std::string text;
  while (size-- > 0)
    text += static_cast<char>(static_cast<uint8_t>(value >> (8 * size)));
  return text;
}

inline std::string vector_of(const std::string &content, unsigned length_size)
{
  return number(content.size(), length_size) + content;
}

inline std::string extension(uint16_t type, const std::string &content)
{
  return number(type, 2) + vector_of(content, 2);
}

inline std::string server_name(const std::string &name)
{
  return extension(0, vector_of(std::string(1, '\0') + vector_of(name, 2), 2));
}

inline std::string groups(const std::vector<uint16_t> &list)
{
  std::string content;
  for (uint16_t group : list)
    content += number(group, 2);
  return extension(10, vector_of(content, 2));
}

inline std::string versions(const std::vector<uint16_t> &list)
{
  std::string content;
  for (uint16_t version : list)
    content += number(version, 2);
  return extension(43, vector_of(content, 1));
}

inline std::string key_share(uint16_t group, size_t size)
{
  return extension(51, vector_of(number(group, 2) + vector_of(std::string(size, 'k'), 2), 2));
}

// The hello's body, without the handshake header.
inline std::string hello_body(const std::string &extensions)
{
  return number(0x0303, 2) + std::string(32, 'r') + vector_of("", 1) + vector_of(number(0x1301, 2) + number(0xc02b, 2), 2) +
         vector_of(std::string(1, '\0'), 1) + vector_of(extensions, 2);
}

inline std::string message(uint8_t type, const std::string &body)
{
  return number(type, 1) + vector_of(body, 3);
}

inline Bytes record(uint8_t type, const std::string &body, uint16_t version = 0x0303)
{
  std::string text = number(type, 1) + number(version, 2) + vector_of(body, 2);
  return {text.begin(), text.end()};
}

}
