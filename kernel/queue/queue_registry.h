// SPDX-License-Identifier: GPL-3.0-or-later
// QueueRegistry: which request queues exist, their names, creators and the number of open handles. On core 0; the
// queues themselves live on their home cores. Names are compared without case (ASCII).
#pragma once
#include "kernel/io/irp.h"
#include "kernel/se/quota.h"
#include <map>
#include <string>
#include <unordered_map>

namespace httpsys::queue {

class QueueRegistry {
public:
  static QueueRegistry &instance();

  // CREATE_REQUEST_QUEUE on core 0; ends on the channel's core with a new handle in object_id.
  // Name in use: OBJECT_NAME_COLLISION; no such name: OBJECT_NAME_NOT_FOUND; another user's: ACCESS_DENIED.
  void create_or_open(io::IrpPtr irp);
  // The client's handle was closed; the last one ends the queue.
  void release(uint64_t queue_id, const se::Client &client);
  size_t count() const { return m_queues.size(); }
  // Open ones, of all queues.
  uint64_t handle_count() const { return m_handle_quota.count(); }
  // For the simulator: what clients are charged with that they do not have, or have for nothing; null: nothing.
  const char *unsound() const;

private:
  struct Queue {
    std::u16string name; // as the creator wrote it
    se::Client creator;
    uint32_t handles = 0;
    bool version_1 = false;
  };
  NtStatus open(const io::Irp &irp, const std::u16string &name, ob::HandleTarget &target, std::string &reason);
  NtStatus create(const io::Irp &irp, const std::u16string &name, ob::HandleTarget &target, std::string &reason);
  se::Quota m_queue_quota{se::kRequestQueues}, m_handle_quota{se::kHandles};
  std::unordered_map<uint64_t, Queue> m_queues;
  std::map<std::u16string, uint64_t> m_names; // folded
  uint32_t m_generation = 1;
};

}
