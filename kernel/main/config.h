// SPDX-License-Identifier: GPL-3.0-or-later
// The configuration file (TOML): from text to Config, with the place and the nearest key for every slip. Used once, at
// the start of the daemon and by --check-config; blocks while it reads.
#pragma once
#include "kernel/base/config.h"
#include "kernel/base/result.h"
#include <map>
#include <string>
#include <string_view>

namespace httpsys::main {

struct LoadedConfig {
  Config config;
  std::map<std::string, std::string> origins; // "limits.MaxRequestLine" to "FILE:LINE"; what is missing is a default
};

// Errors: InvalidParameter with a sentence "FILE:LINE:COLUMN: ..." of the first slip in the file.
Result<LoadedConfig> parse_config(std::string_view text, const std::string &file_name, std::string &reason);

// is_named: the file was asked for by name, so that it must exist; else a missing one means the defaults.
// Errors: ObjectNameNotFound, InvalidParameter and what platform::read_file gives.
Result<LoadedConfig> load_config(const std::string &path, bool is_named, std::string &reason);

// All keys with their values and where each came from, as a file that parse_config() reads.
std::string config_text(const LoadedConfig &loaded);

}
