// SPDX-License-Identifier: MIT
// SendQueue: the sends of a session that have not handed all their bytes to the daemon yet. It keeps two orders: sends of one request
// go out one after the other, in the order of the calls; sends that find the send arena full go on first come, first served. One per
// session. Its lock is a leaf.
#pragma once
#include "lib/ref_counted.h"
#include <cstdint>
#include <mutex>

namespace httpsys::lib {

class SendCall;

class SendQueue {
public:
  // At the begin of a send. False when it has to wait for earlier ones of its request: leave() of the last of them will name it.
  bool enter(SendCall &call);
  // Nothing of it will be submitted any more. The next send of its request when that may go on now, else null.
  Ref<SendCall> leave(SendCall &call);

  // True when others wait for the arena: then this one waits behind them.
  bool wait_behind_others(SendCall &call);
  // How often bytes of the arena were given back; to be read before an allocation is tried.
  uint32_t releases();
  // The arena had no room for it. is_next: it had its turn and stays the first. False when bytes were given back since `releases`:
  // try again.
  bool wait_for_arena(SendCall &call, bool is_next, uint32_t releases);
  // Bytes of the arena were given back. Whose turn it is, or null.
  Ref<SendCall> released();
  // Whose turn it is after that.
  Ref<SendCall> take_waiting();

private:
  static constexpr uint32_t kBuckets = 64;
  struct List {
    SendCall *first = nullptr, *last = nullptr;
  };
  List &bucket(uint64_t request_id) { return m_buckets[(request_id ^ request_id >> 20) % kBuckets]; }
  void link_waiting(SendCall &call, bool is_next);
  void unlink_waiting(SendCall &call);
  Ref<SendCall> take_first_waiting();

  std::mutex m_mutex;
  List m_buckets[kBuckets]; // by request, oldest first
  List m_waiting;
  uint32_t m_releases = 0;
};

}
