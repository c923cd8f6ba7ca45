// SPDX-License-Identifier: MIT
// ErrorText: one sentence on why something was refused, in a fixed buffer: a text that is too long is cut, never a reason for
// another failure. Belongs to one thread.
#pragma once
#include <string_view>

namespace httpsys::lib {

class ErrorText {
public:
  static constexpr size_t kCapacity = 1025; // HSYS_REASON_MAX and a NUL

  void clear() { m_text[0] = 0; }
  bool is_empty() const { return m_text[0] == 0; }
  const char *c_str() const { return m_text; }
  void assign(std::string_view text);
  void format(const char *pattern, ...) __attribute__((format(printf, 2, 3)));
  void append(std::string_view text);

private:
  char m_text[kCapacity] = {};
};

}
