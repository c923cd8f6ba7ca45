// SPDX-License-Identifier: GPL-3.0-or-later
// PerCore<T>: one T for each core, touched on that core only. Static storage; not thread_local, because the simulator
// runs all cores on one thread. Code that runs on no core (a unit test) gets core 0's.
#pragma once
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include <array>

namespace httpsys::io {

template <typename T>
class PerCore {
public:
  T &here()
  {
    auto *core = ke::Core::current_or_null();
    return m_items[core ? core->id() : 0].item;
  }

private:
  struct alignas(64) Item {
    T item{};
  };
  std::array<Item, limits::kCores> m_items;
};

}
