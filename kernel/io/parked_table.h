// SPDX-License-Identifier: GPL-3.0-or-later
// ParkedTable: the operations that are parked on one core, by channel and irp_id, so that CANCEL finds one without
// knowing its queue. Open addressing: parking is on the path of every request and must not allocate. Clients choose their
// irp_ids, so places depend on a secret: nobody can have his operations lie in one heap, which all others would walk
// through. One per core, used on that core only; owns nothing.
#pragma once
#include "kernel/io/irp.h"

namespace httpsys::io {

class ParkedTable {
public:
  // No other operation of that channel and irp_id may be in it.
  void insert(Irp &irp);
  void remove(Irp &irp);
  // nullptr when there is none.
  Irp *find(uint32_t channel, uint32_t irp_id) const;
  size_t size() const { return m_count; }
  // Entries that find() looks at, for tests.
  size_t steps_to(uint32_t channel, uint32_t irp_id) const;

  // Of all tables; before there are operations.
  static void set_secret(uint64_t secret);

private:
  static uint64_t key(const Irp &irp) { return key(irp.channel().number, irp.entry().irp_id); }
  static uint64_t key(uint32_t channel, uint32_t irp_id) { return static_cast<uint64_t>(channel) << 32 | irp_id; }
  size_t home(uint64_t key) const;
  size_t position(uint64_t key) const; // of the entry, or of the gap where it belongs
  void grow();
  std::vector<Irp *> m_slots; // a power of two, at most half full
  size_t m_count = 0;
};

}
