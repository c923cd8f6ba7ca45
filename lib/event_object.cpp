// SPDX-License-Identifier: MIT
#include "lib/event_object.h"
#include <new>

namespace httpsys::lib {

Ref<EventObject> EventObject::create(bool manual_reset, bool is_signalled)
{
  return Ref<EventObject>::adopt(new (std::nothrow) EventObject(manual_reset, is_signalled));
}

}
