// SPDX-License-Identifier: GPL-3.0-or-later
// A thread that does what clients can make long may share its processor with a core. It rests kHelperRests times as long as it has had one
// itself, so that a core has most of it, whatever is asked of the thread. Not by priority: cores wait for locks that it holds.
#pragma once

namespace httpsys::platform {

// From now on rest() counts what this thread uses.
void begin_to_rest();
// Between pieces of work, with no lock held: sleeps for what was used since the last time. No effect on threads that have not begun to.
void rest();

}
