// SPDX-License-Identifier: GPL-3.0-or-later
// IrpQueue: the cancel-safe queue. Whoever unlinks an Irp owns it; CANCEL, session death, completion and time-outs all
// go through take_*, so one of them gets it and the others find nothing. Lives in the object that the operations wait
// for, on that object's core; must be empty when it is destroyed.
#pragma once
#include "kernel/io/irp.h"

namespace httpsys::io {

class IrpQueue {
public:
  // Called when CANCEL or the end of the session has unlinked an operation of this queue.
  class CancelHandler {
  public:
    virtual void on_irp_cancelled(IrpQueue &queue, IrpPtr irp) = 0;

  protected:
    ~CancelHandler() = default;
  };

  // Without a handler a cancelled operation completes with Cancelled.
  explicit IrpQueue(CancelHandler *handler = nullptr) : m_handler(handler) {}
  IrpQueue(const IrpQueue &) = delete;
  ~IrpQueue();

  bool is_empty() const { return m_irps.is_empty(); }
  size_t size() const { return m_irps.size(); }
  Irp *first() { return m_irps.first(); }
  Irp *next(Irp &irp) { return m_irps.next(irp); }
  // An operation whose cancellation was asked for on its way here is cancelled by a message, after the caller's turn.
  void park(IrpPtr irp);
  void park_first(IrpPtr irp);
  // Oldest; null when empty.
  IrpPtr take_first();
  IrpPtr take(Irp &irp);
  // Completes all with the status.
  void complete_all(NtStatus status, const std::string &reason = {});

  // Cancels an operation that is parked on the current core, wherever it is parked; false when there is none of that
  // name.
  static bool cancel_parked(ChannelAddress channel, uint32_t irp_id);
  // How many operations are parked on the current core, for STATS.
  static size_t parked_here();

private:
  void enter(Irp &irp);
  IrpPtr unlink(Irp &irp);
  IntrusiveList<Irp> m_irps;
  CancelHandler *m_handler;
};

}
