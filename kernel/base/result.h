// SPDX-License-Identifier: GPL-3.0-or-later
// Result<T>: a value or an NtStatus. TRY(expression) yields the value or returns the status to the caller.
#pragma once
#include "kernel/base/status.h"
#include "kernel/base/verify.h"
#include <optional>
#include <utility>

namespace httpsys {

template <typename T>
class [[nodiscard]] Result {
public:
  Result(T value) : m_value(std::move(value)) {}
  Result(NtStatus error) : m_error(error) { VERIFY(error != NtStatus::Success); }

  bool is_error() const { return !m_value.has_value(); }
  explicit operator bool() const { return m_value.has_value(); }
  NtStatus error() const { return m_value.has_value() ? NtStatus::Success : m_error; }
  T &value()
  {
    VERIFY(m_value.has_value());
    return *m_value;
  }
  const T &value() const
  {
    VERIFY(m_value.has_value());
    return *m_value;
  }
  T release_value()
  {
    VERIFY(m_value.has_value());
    return std::move(*m_value);
  }
  T *operator->() { return &value(); }
  T &operator*() { return value(); }

private:
  std::optional<T> m_value;
  NtStatus m_error = NtStatus::Success;
};

template <>
class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(NtStatus error) : m_error(error) {}

  bool is_error() const { return m_error != NtStatus::Success; }
  explicit operator bool() const { return !is_error(); }
  NtStatus error() const { return m_error; }
  void release_value() const {}

private:
  NtStatus m_error = NtStatus::Success;
};

}

// __COUNTER__ keeps a TRY inside a TRY from shadowing.
#define HTTPSYS_TRY_NAMED(name, expression)                   \
  ({                                                          \
    auto name = (expression);                                 \
    if (name.is_error()) [[unlikely]]                         \
      return name.error();                                    \
    name.release_value();                                     \
  })
#define HTTPSYS_MUST_NAMED(name, expression)                  \
  ({                                                          \
    auto name = (expression);                                 \
    VERIFY(!name.is_error());                                 \
    name.release_value();                                     \
  })
#define HTTPSYS_PASTE2(a, b) a##b
#define HTTPSYS_PASTE(a, b) HTTPSYS_PASTE2(a, b)
#define TRY(expression) HTTPSYS_TRY_NAMED(HTTPSYS_PASTE(try_result_, __COUNTER__), expression)
#define MUST(expression) HTTPSYS_MUST_NAMED(HTTPSYS_PASTE(must_result_, __COUNTER__), expression)
