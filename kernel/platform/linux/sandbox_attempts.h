// SPDX-License-Identifier: GPL-3.0-or-later
// What nobody who has got hold of the daemon may be able to do, tried: each attempt in a child of its own, from inside the sandbox that
// the daemon would have. Called by `httpsysd --check-sandbox` and by tests, in a process with one thread.
#pragma once
#include "kernel/platform/linux/sandbox.h"
#include <string>
#include <vector>

namespace httpsys::platform {

struct AttemptResult {
  // NotTried: the machine has nothing to try it on. CouldNotTry: something was lacking, so that nothing is known.
  enum class Outcome { Refused, Done, NotTried, CouldNotTry };
  std::string what; // "run a program"
  Outcome outcome = Outcome::Done;
  std::string detail; // unless refused
};

// sandbox: prepared, not entered. inside false: tries the same without it, to tell what it is good for.
std::vector<AttemptResult> try_forbidden_things(const Sandbox &sandbox, bool inside = true);
// Of an attempt's child, from what waitpid() tells. may_be_missing: without the path that it needs it has not been tried; of others ENOENT
// is an answer that the sandbox does not give. What fails for want of memory, processes or descriptors has not been tried.
AttemptResult judge_attempt(const std::string &what, int status, bool may_be_missing);
// "WHAT: refused", "WHAT: NOT REFUSED: DETAIL", "WHAT: not tried: DETAIL" for both.
std::string describe_attempt(const AttemptResult &result);

}
