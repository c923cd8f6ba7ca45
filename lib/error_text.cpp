// SPDX-License-Identifier: MIT
#include "lib/error_text.h"
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace httpsys::lib {

void ErrorText::assign(std::string_view text)
{
  clear();
  append(text);
}

void ErrorText::format(const char *pattern, ...)
{
  va_list arguments;
  va_start(arguments, pattern);
  vsnprintf(m_text, sizeof m_text, pattern, arguments);
  va_end(arguments);
}

void ErrorText::append(std::string_view text)
{
  size_t length = strlen(m_text);
  size_t copied = std::min(text.size(), kCapacity - 1 - length);
  if (copied)
    memcpy(m_text + length, text.data(), copied);
  m_text[length + copied] = 0;
}

}
