// SPDX-License-Identifier: GPL-3.0-or-later
// IrpMaker: stands in for a channel in unit tests: makes operations and keeps their completions.
#pragma once
#include "kernel/io/irp.h"

namespace httpsys::io {

class IrpMaker final : public IrpOwner {
public:
  struct Done {
    uint32_t irp_id;
    IrpCompletion completion;
  };

  explicit IrpMaker(uint32_t channel = 1, ke::CoreId core = 0) { m_origin = {1, {core, channel}, {1000, 1}}; }
  IrpPtr make(uint32_t irp_id, hsys_op operation = HSYS_OP_NOP, std::vector<uint8_t> parameters = {})
  {
    hsys_sqe entry{};
    entry.op = static_cast<uint8_t>(operation);
    entry.irp_id = irp_id;
    return make_irp(m_origin, entry, std::move(parameters), {}, {});
  }
  ChannelAddress channel() const { return m_origin.channel; }
  void take_back(IrpPtr irp, IrpCompletion completion) override { done.push_back({irp->entry().irp_id, std::move(completion)}); }

  std::vector<Done> done;

private:
  Origin m_origin;
};

}
