// SPDX-License-Identifier: MIT
// CompletionSource: where completions come from: a channel to httpsysd, or a fake in tests. The reaper holds a reference while it uses
// the source, so that a source may be replaced at any time. All functions may be called by several threads at once, none with the
// dispatcher lock held.
#pragma once
#include "lib/ref_counted.h"
#include <cstdint>

namespace httpsys::lib {

class CompletionSource : public RefCounted<CompletionSource> {
public:
  // Descriptor that is readable when the source has rung. -1 when there is nothing to wait for: the source is dead.
  virtual int bell() = 0;

  // Completes what is there and never blocks; returns at once when another thread is at it. rang: the caller saw the bell readable,
  // and will arm() before anybody sleeps. Only then may the bell be emptied: emptied by somebody who does not arm, it would
  // leave the sleeping leader with a source that has nothing to ring for. True when something completed.
  virtual bool reap(bool rang) = 0;

  // Asks for the bell at the next completion. True: asked, and nothing is there; the caller may sleep. False: reap again. A dead
  // source has completed everything and says true.
  virtual bool arm() = 0;

  // NO_ERROR, or the Win32 code of a source that is dead.
  virtual uint32_t error() = 0;

  virtual ~CompletionSource() = default;
};

}
