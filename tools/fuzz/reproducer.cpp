// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/fuzz/reproducer.h"
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

namespace httpsys::fuzz {

static constexpr uint32_t kMostCores = 16;

std::string to_text(const Reproducer &reproducer)
{
  return fmt::format("daemon seed={} cores={}\n", reproducer.seed, reproducer.cores) + to_text(reproducer.program);
}

std::optional<Reproducer> parse_reproducer(std::string_view text, std::string &why)
{
  const std::string_view whole = text;
  Reproducer reproducer;
  // The comment before it.
  while (text.starts_with('#') || text.starts_with('\n'))
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  std::string first(text.substr(0, text.find('\n')));
  unsigned long long seed = 0;
  unsigned cores = 0;
  int used = 0;
  if (std::sscanf(first.c_str(), "daemon seed=%llu cores=%u%n", &seed, &cores, &used) != 2 || static_cast<size_t>(used) != first.size() ||
      cores < 1 || cores > kMostCores) {
    why = fmt::format("it does not begin with \"daemon seed=S cores=N\", N from 1 to {}", kMostCores);
    return std::nullopt;
  }
  size_t before = static_cast<size_t>(std::count(whole.begin(), whole.end() - static_cast<ptrdiff_t>(text.size()), '\n')) + 1;
  auto program = parse_program(text.substr(std::min(first.size() + 1, text.size())), why, before + 1);
  if (!program)
    return std::nullopt;
  if (program->size() > kMostSteps) {
    why = fmt::format("it has {} steps, {} at most are run", program->size(), kMostSteps);
    return std::nullopt;
  }
  return Reproducer{seed, cores, std::move(*program)};
}

bool read_reproducer(const std::string &path, Reproducer &reproducer, std::string &why)
{
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) {
    why = fmt::format("cannot read {}", path);
    return false;
  }
  auto parsed = parse_reproducer(text.str(), why);
  if (!parsed) {
    why = fmt::format("{} is no reproducer: {}", path, why);
    return false;
  }
  reproducer = std::move(*parsed);
  return true;
}

bool write_reproducer(const std::string &path, const Reproducer &reproducer, const std::string &comment)
{
  std::ofstream file(path);
  std::istringstream lines(comment);
  for (std::string line; std::getline(lines, line);)
    file << "# " << line << '\n';
  file << to_text(reproducer);
  file.flush();
  return static_cast<bool>(file);
}

}
