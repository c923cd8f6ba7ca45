// SPDX-License-Identifier: GPL-3.0-or-later
// Task: a move-only closure without allocation (captures up to 56 bytes), the message that cores send each other. Runs
// once, on the core that it was sent to.
#pragma once
#include "kernel/base/verify.h"
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace httpsys::ke {

class Task {
public:
  static constexpr size_t kCapacity = 56;

  Task() = default;
  template <typename F>
    requires(!std::is_same_v<std::decay_t<F>, Task>)
  Task(F &&function)
  {
    using Closure = std::decay_t<F>;
    static_assert(sizeof(Closure) <= kCapacity && alignof(Closure) <= alignof(void *), "give large captures away by pointer");
    static_assert(std::is_nothrow_move_constructible_v<Closure>);
    new (m_storage) Closure(std::forward<F>(function));
    m_manage = [](Task *from, Task *to, bool run) {
      Closure *closure = std::launder(reinterpret_cast<Closure *>(from->m_storage));
      if (to)
        new (to->m_storage) Closure(std::move(*closure));
      else if (run)
        (*closure)();
      closure->~Closure();
    };
  }
  Task(Task &&other) noexcept { take(other); }
  Task &operator=(Task &&other) noexcept
  {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  ~Task() { reset(); }
  explicit operator bool() const { return m_manage != nullptr; }
  void run()
  {
    VERIFY(m_manage);
    auto manage = std::exchange(m_manage, nullptr);
    manage(this, nullptr, true);
  }

private:
  void take(Task &other)
  {
    m_manage = std::exchange(other.m_manage, nullptr);
    if (m_manage)
      m_manage(&other, this, false);
  }
  void reset()
  {
    if (auto manage = std::exchange(m_manage, nullptr))
      manage(this, nullptr, false);
  }
  void (*m_manage)(Task *from, Task *to, bool run) = nullptr;
  alignas(void *) unsigned char m_storage[kCapacity];
};

}
