// SPDX-License-Identifier: MIT
#include "lib/last_error.h"
#include "lib/error_sentence.h"
#include "lib/reaper.h"
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace httpsys::lib {

namespace {

thread_local uint32_t t_code;
thread_local ErrorText t_text;
thread_local const char *t_function;

bool is_debugging()
{
  static const bool is_on = [] {
    const char *value = getenv("HTTPSYS_DEBUG");
    return value && strcmp(value, "1") == 0;
  }();
  return is_on;
}

void keep(uint32_t code, const char *pattern, va_list arguments)
{
  char text[ErrorText::kCapacity];
  vsnprintf(text, sizeof text, pattern, arguments);
  t_text.assign(t_function ? error_sentence(t_function, code, text).c_str() : text);
  if (is_debugging())
    fprintf(stderr, "libhttpapi: error %u: %s\n", code, t_text.c_str());
}

}

uint32_t last_error()
{
  return t_code;
}

void set_last_error(uint32_t code)
{
  t_code = code;
}

void begin_call()
{
  begin_call(nullptr);
}

void begin_call(const char *function)
{
  t_text.clear();
  t_function = function;
  Reaper::instance().poll();
}

void forget_call()
{
  t_text.clear();
  t_function = nullptr;
}

const char *current_function()
{
  return t_function;
}

const char *last_error_text()
{
  return t_text.c_str();
}

void set_last_error_text(std::string_view text)
{
  t_text.assign(text);
  if (is_debugging() && !text.empty())
    fprintf(stderr, "libhttpapi: %s\n", t_text.c_str());
}

uint32_t refuse(uint32_t code, const char *pattern, ...)
{
  va_list arguments;
  va_start(arguments, pattern);
  keep(code, pattern, arguments);
  va_end(arguments);
  return code;
}

int fail(uint32_t code, const char *pattern, ...)
{
  va_list arguments;
  va_start(arguments, pattern);
  keep(code, pattern, arguments);
  va_end(arguments);
  t_code = code;
  return 0;
}

}
