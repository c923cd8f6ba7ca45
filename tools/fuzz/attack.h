// SPDX-License-Identifier: GPL-3.0-or-later
// Attack: what --attach does to a running daemon: several threads, each with a run of its own, whose clients have channels of their own,
// at the same time, under the eyes of a Heartbeat; before and afterwards it asks what the daemon holds.
#pragma once
#include "tools/fuzz/attached_target.h"
#include "tools/fuzz/isolated.h"

namespace httpsys::fuzz {

// link: one that nobody has used, which asks for STATS from now on to the end. Seeds from `first` on, dealt out to the threads; the rest as
// run_seeds().
Outcome attack_seeds(AttachedTarget &target, std::unique_ptr<Link> link, uint64_t first, uint64_t seconds, uint64_t steps);
// The steps of one, on this thread alone.
Outcome attack_again(AttachedTarget &target, std::unique_ptr<Link> link, const Reproducer &reproducer);

}
