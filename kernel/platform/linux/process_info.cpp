// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/process_info.h"
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <fstream>
#include <sched.h>
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

// What "0::/system.slice/httpsysd.service" in /proc/self/cgroup says; "max", which is no number, leaves the machine's.
uint64_t memory_limit()
{
  uint64_t memory = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    static constexpr std::string_view kUnified = "0::";
    uint64_t most = 0;
    if (line.starts_with(kUnified) && std::ifstream("/sys/fs/cgroup" + line.substr(kUnified.size()) + "/memory.max") >> most)
      memory = std::min(memory, most);
  }
  return memory;
}

std::string parent_folder(const std::string &path)
{
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}
