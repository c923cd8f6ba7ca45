// SPDX-License-Identifier: GPL-3.0-or-later
// Assertions. VERIFY stays on in every build and ends the daemon: only for what the daemon itself guarantees, never for anything
// that a client process or a network peer controls. ASSERT is for debug and simulator builds.
#pragma once

namespace httpsys {

[[noreturn]] void verify_failed(const char *expression, const char *file, int line);

}

#define VERIFY(expression)                                                 \
  do {                                                                     \
    if (!(expression)) [[unlikely]]                                        \
      ::httpsys::verify_failed(#expression, __FILE__, __LINE__);           \
  } while (0)

#ifdef HTTPSYS_DEBUG
#define ASSERT(expression) VERIFY(expression)
#else
#define ASSERT(expression) \
  do {                     \
  } while (0)
#endif
