// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/main/check_sandbox.h"
#include "kernel/main/config.h"
#include "kernel/main/daemon.h"
#include "kernel/main/options.h"
#include <cstdio>
#include <cstdlib>

#ifdef HTTPSYS_SIMULATOR
#error "the daemon has no canaries and no hooks of the simulator's"
#endif

int main(int argc, char **argv)
{
  using namespace httpsys;
  auto parsed = main::parse_options(argc, argv, std::getenv("HTTPSYS_SOCKET"));
  std::fputs(parsed.out.c_str(), stdout);
  if (!parsed.options) {
    if (!parsed.error.empty())
      std::fprintf(stderr, "httpsysd: %s\n", parsed.error.c_str());
    return parsed.exit_code;
  }
  std::string reason;
  auto loaded = main::load_config(parsed.options->config_path, parsed.options->config_is_named, reason);
  if (loaded.is_error()) {
    std::fprintf(stderr, "httpsysd: %s\n", reason.c_str());
    return 1;
  }
  if (parsed.options->check_config) {
    std::fputs(main::config_text(*loaded).c_str(), stdout);
    return 0;
  }
  if (parsed.options->check_sandbox) {
    std::string report;
    reason.clear(); // a configuration that is missing by default
    const int code = main::check_sandbox(*parsed.options, report, reason);
    std::fputs(report.c_str(), stdout);
    if (!reason.empty())
      std::fprintf(stderr, "httpsysd: %s\n", reason.c_str());
    return code;
  }
  main::Daemon daemon(*parsed.options, loaded->config);
  int status = daemon.run(reason);
  if (status != 0)
    std::fprintf(stderr, "httpsysd: %s\n", reason.c_str());
  return status;
}
