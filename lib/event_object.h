// SPDX-License-Identifier: MIT
// EventObject: Windows' event. Manual reset: stays signalled until it is reset. Auto reset: one signal satisfies one wait.
#pragma once
#include "lib/waitable.h"

namespace httpsys::lib {

class EventObject final : public WaitableObject {
public:
  static constexpr HandleKind kKind = HandleKind::Event;
  // Null without memory.
  static Ref<EventObject> create(bool manual_reset, bool is_signalled);

private:
  EventObject(bool manual_reset, bool is_signalled) : WaitableObject(kKind, !manual_reset, is_signalled) {}
};

}
