// SPDX-License-Identifier: MIT
// Deadline: until when a wait may last, made from Windows' milliseconds when the wait begins. A value.
#pragma once
#include <cstdint>
#include <ctime>

namespace httpsys::lib {

class Deadline {
public:
  static constexpr uint32_t kInfinite = 0xffffffffu; // INFINITE

  static Deadline after(uint32_t milliseconds);

  bool is_never() const { return m_kind == Kind::Never; }
  bool has_passed() const;
  // The moment by CLOCK_MONOTONIC; null for never.
  const timespec *moment() const { return is_never() ? nullptr : &m_moment; }
  // What is left of it, at most `limit` milliseconds.
  timespec remaining(uint32_t limit) const;

private:
  enum class Kind : uint8_t { Now, Later, Never };
  Kind m_kind = Kind::Now;
  timespec m_moment{};
};

}
