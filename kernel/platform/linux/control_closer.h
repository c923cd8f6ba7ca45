// SPDX-License-Identifier: GPL-3.0-or-later
// ControlCloser: the thread that closes control sockets. On kernels before Linux 6.16 clients can leave descriptors in them, and whoever
// drops the last reference to some files is made to wait (SO_LINGER): that must be no core. Any thread; lives as long as its System.
#pragma once
#include "kernel/base/result.h"
#include <cstddef>
#include <memory>

namespace httpsys::platform {

class ControlCloser {
public:
  ControlCloser();
  ControlCloser(const ControlCloser &) = delete;
  // What waits is left to the end of the process, which lingers for nobody.
  ~ControlCloser();

  // Starts the thread unless it runs. Before the first close: then none has to be started when threads or memory are short.
  // InsufficientResources and the like.
  Result<void> start();
  // Takes the socket over, whose connection has been shut down. Never waits.
  void close(int socket) { add({socket, true}); }
  // Takes a descriptor over in which nothing of a client's lies.
  void close_only(int descriptor) { add({descriptor, false}); }
  // Descriptors that have not been closed yet.
  size_t waiting() const;

private:
  struct Entry {
    int descriptor;
    bool has_messages;
  };
  void add(Entry entry);
  struct Shared; // with the thread, which may outlive us
  std::shared_ptr<Shared> m_shared;
};

}
