// SPDX-License-Identifier: GPL-3.0-or-later
// SlotTable: the state of every IRP slot of a channel. The client chooses slots; one may be named again only when its
// completion has been reaped. Owned by the channel, on its core.
#pragma once
#include "kernel/io/admission.h"
#include "kernel/io/irp.h"

namespace httpsys::io {

class SlotTable {
public:
  explicit SlotTable(uint32_t slots) : m_slots(slots) {}

  bool has(uint32_t irp_id) const { return HSYS_IRP_SLOT(irp_id) < m_slots.size(); }
  bool is_free(uint32_t irp_id, const Admission &admission) const
  {
    const Slot &slot = m_slots[HSYS_IRP_SLOT(irp_id)];
    return slot.state == State::Free || (slot.state == State::Written && admission.is_reaped(slot.number));
  }
  // Admitted. set_irp() follows when there is an Irp: an operation that is answered at once has none.
  void enter(uint32_t irp_id) { at(irp_id) = {State::Admitted, irp_id, nullptr, 0}; }
  void set_irp(Irp &irp) { at(irp.entry().irp_id).irp = &irp; }
  // The Irp has come back; its completion may wait yet.
  void clear_irp(uint32_t irp_id) { at(irp_id).irp = nullptr; }
  void written(uint32_t irp_id, uint64_t number) { at(irp_id) = {State::Written, irp_id, nullptr, number}; }
  void drop(uint32_t irp_id) { at(irp_id) = {}; }
  // The operation of exactly that id, while it has not come back.
  Irp *find(uint32_t irp_id) const
  {
    if (!has(irp_id))
      return nullptr;
    const Slot &slot = m_slots[HSYS_IRP_SLOT(irp_id)];
    return slot.irp_id == irp_id ? slot.irp : nullptr;
  }
  // `most` of them, from that slot on; visit(Irp &) may complete operations and so clear their slots. Returns where the next ones begin;
  // slot_count() when there are no more.
  template <typename Visit>
  size_t visit_irps(size_t from, size_t most, Visit visit)
  {
    size_t index = from;
    for (; index < m_slots.size() && most > 0; index++) {
      if (!m_slots[index].irp)
        continue;
      visit(*m_slots[index].irp);
      most--;
    }
    return index;
  }
  size_t slot_count() const { return m_slots.size(); }
  // Calls visit(const Irp *) for every operation that has no entry yet; null: its Irp has come back, or it never had one.
  template <typename Visit>
  void for_each_admitted(Visit visit) const
  {
    for (const Slot &slot : m_slots)
      if (slot.state == State::Admitted)
        visit(slot.irp);
  }

private:
  enum class State : uint8_t { Free, Admitted, Written };
  struct Slot {
    State state = State::Free;
    uint32_t irp_id = 0;
    Irp *irp = nullptr;  // on any core; its channel and entry never change
    uint64_t number = 0; // of its completion entry
  };
  Slot &at(uint32_t irp_id)
  {
    VERIFY(has(irp_id));
    return m_slots[HSYS_IRP_SLOT(irp_id)];
  }
  std::vector<Slot> m_slots;
};

}
