// SPDX-License-Identifier: GPL-3.0-or-later
// Administration: the configuration store as the daemon serves it: loaded at the start, changed by the commands that sessions bring,
// looked after while it runs. The daemon has one, and the simulator one after the other. The store is the helper thread's; everything else
// here is core 0's.
#pragma once
#include "kernel/cm/store.h"
#include "kernel/io/dispatch.h"
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace httpsys::main {

class Administration {
public:
  explicit Administration(const Config &config) : m_store(config) {}
  Administration(const Administration &) = delete;
  ~Administration() { stop_looking(); }

  // The helper's. Set up and load it there first.
  cm::Store &store() { return m_store; }
  // From the helper: every core gets the store's bindings, then done runs on core 0.
  void publish(std::function<void()> done);
  // From core 0, for io::register_admin. The answer goes out when every core uses the new bindings: a handshake after it sees them.
  void execute(std::vector<std::string> words, std::vector<io::AdminFile> files, io::AdminAnswer answer);
  // Has the helper look at the state files every kStateLookMilliseconds, until it is told to stop. On core 0.
  void start_looking();
  void stop_looking();

private:
  class FileLook;
  cm::Store m_store;
  std::shared_ptr<FileLook> m_file_look; // messages keep it, too
};

}
