// SPDX-License-Identifier: GPL-3.0-or-later
// What a test keeps of a worker that it kills (witness.py): memory that the worker shares with the daemon, and the notes of the worker.
#pragma once
#include <stdint.h>

// A request that the worker has received; one with id 0 is none yet. The first is none: its id says how many there are, itself included.
struct witness_note {
  uint64_t id;
  char path[56];
};

// In memory that the test sees, so that a kill cannot take back what was stored. Without a test to look at it: nothing.
void witness_note(uint64_t id, const char *path, unsigned length);
