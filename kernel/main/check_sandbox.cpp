// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/check_sandbox.h"
#include "kernel/platform/linux/process.h"
#include "kernel/platform/linux/sandbox_attempts.h"
#include <fmt/format.h>

namespace httpsys::main {

int check_sandbox(const Options &options, std::string &report, std::string &reason)
{
  platform::Sandbox sandbox;
  platform::raise_lock_limit();
  if (platform::check_socket_path(options.socket_path, reason).is_error() ||
      sandbox.prepare({options.state_folder, options.socket_path, options.user}, reason).is_error())
    return 1;
  // Before this process is limited itself: it could start no other.
  const auto results = platform::try_forbidden_things(sandbox);
  if (sandbox.enter(reason).is_error())
    return 1;
  sandbox.limit_calls();
  bool is_good = true;
  size_t not_tried = 0;
  for (const auto &layer : sandbox.layers()) {
    report += describe_layer(layer) + '\n';
    is_good = is_good && layer.state != platform::SandboxLayer::State::LeftOut;
  }
  for (const auto &result : results) {
    report += describe_attempt(result) + '\n';
    is_good = is_good && result.outcome != platform::AttemptResult::Outcome::Done;
    not_tried += result.outcome == platform::AttemptResult::Outcome::CouldNotTry;
  }
  if (not_tried > 0)
    reason = fmt::format("{} of {} attempts could not be made, so it is not known whether the sandbox refuses them: their lines say why",
      not_tried, results.size());
  return is_good && not_tried == 0 ? 0 : 1;
}

}
