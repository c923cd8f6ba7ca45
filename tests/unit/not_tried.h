// SPDX-License-Identifier: GPL-3.0-or-later
// What a case says that cannot run here: tests/figures.py lists what begins with "not tried" among what was skipped.
#pragma once
#include <doctest/doctest.h>
#include <unistd.h>

// Else the case ends, or that part of it.
inline bool is_root()
{
  if (geteuid() == 0)
    return true;
  MESSAGE("not tried: only root can");
  return false;
}
