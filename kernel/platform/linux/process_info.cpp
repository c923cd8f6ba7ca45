// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/process_info.h"
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace httpsys::platform {

uint32_t process_id()
{
  return static_cast<uint32_t>(getpid());
}

uint32_t user_id()
{
  return geteuid();
}

uint32_t usable_cpus()
{
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) != 0)
    return 1;
  return static_cast<uint32_t>(std::max(1, CPU_COUNT(&cpus)));
}

uint64_t open_descriptors()
{
  std::error_code error;
  std::filesystem::directory_iterator entries("/proc/self/fd", error);
  return error ? 0 : static_cast<uint64_t>(std::distance(begin(entries), end(entries)));
}

uint64_t resident_bytes()
{
  unsigned long total = 0, resident = 0;
  std::FILE *file = std::fopen("/proc/self/statm", "re");
  if (!file)
    return 0;
  int fields = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return fields == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

// The smallest number that one of the files has in the group or in one above it. "max" is none.
static uint64_t least_of_groups(const std::string &root, std::string group, std::initializer_list<const char *> files)
{
  uint64_t least = UINT64_MAX;
  while (true) {
    for (const char *file : files) {
      uint64_t most = 0;
      if (std::ifstream(fmt::format("{}{}/{}", root, group, file)) >> most)
        least = std::min(least, most);
    }
    if (group.empty())
      return least;
    group.resize(group.rfind('/'));
  }
}

// Lines like "0::/system.slice/httpsysd.service" (version 2) and "4:memory:/container" (version 1).
uint64_t control_group_limit(const std::string &list, const std::string &mounts)
{
  uint64_t least = UINT64_MAX;
  std::ifstream groups(list);
  for (std::string line; std::getline(groups, line);) {
    size_t names = line.find(':'), path = line.find(":/");
    if (path == std::string::npos || names == path)
      continue;
    std::string name = line.substr(names + 1, path - names - 1);
    std::string group = line.substr(path + 1);
    while (group.ends_with('/'))
      group.pop_back();
    if (name.empty()) {
      for (const char *mount : {"", "/unified"})
        least = std::min(least, least_of_groups(mounts + mount, group, {"memory.max", "memory.high"}));
    } else if (fmt::format(",{},", name).find(",memory,") != std::string::npos) {
      least = std::min(least, least_of_groups(mounts + "/memory", group, {"memory.limit_in_bytes"}));
    }
  }
  return least;
}

uint64_t memory_limit()
{
  uint64_t memory = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  rlimit addresses{};
  if (getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur != RLIM_INFINITY)
    memory = std::min<uint64_t>(memory, addresses.rlim_cur);
  return std::min(memory, control_group_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
}

std::string parent_folder(const std::string &path)
{
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}
