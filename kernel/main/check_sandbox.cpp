// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/check_sandbox.h"
#include "kernel/platform/linux/process.h"
#include "kernel/platform/linux/sandbox_attempts.h"

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
  for (const auto &layer : sandbox.layers()) {
    report += describe_layer(layer) + '\n';
    is_good = is_good && layer.state != platform::SandboxLayer::State::LeftOut;
  }
  for (const auto &result : results) {
    report += describe_attempt(result) + '\n';
    is_good = is_good && result.outcome != platform::AttemptResult::Outcome::Done;
  }
  return is_good ? 0 : 1;
}

}
