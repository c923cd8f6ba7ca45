// SPDX-License-Identifier: GPL-3.0-or-later
// Generator: steps from a seed, by the grammar in uapi/ops.def: mostly what the table allows, so that it gets far, with one thing wrong
// here and there. Each seed has a temper of its own, which verbs and operations it likes and how often it breaks rules, so that different
// seeds go to different places. Of the daemon's answers it knows only which clients are cut off; the rest is filled in when a step is run.
#pragma once
#include "kernel/base/random.h"
#include "tools/fuzz/step.h"

namespace httpsys::fuzz {

class Generator {
public:
  explicit Generator(uint64_t seed);

  // is_cut_off: of each client, whether it has to begin anew.
  Step next(const std::array<bool, kClients> &is_cut_off);

private:
  Step begin(uint8_t client);
  Step make(Verb verb, uint8_t client);
  void fill_entry(Step &step, uint64_t op);
  void fill_control(Step &step);
  uint64_t pick_length();
  uint64_t pick_area();
  bool breaks() { return m_random.chance(m_wrongness, 1000); }
  uint64_t learned(Step &step, size_t argument);

  Random m_random;
  std::array<uint32_t, kVerbs> m_weights{};
  std::vector<uint64_t> m_operations; // numbers that this seed likes
  uint32_t m_total = 0;
  uint32_t m_wrongness = 0; // of 1000 choices
  uint32_t m_raciness = 0;  // of 1000 entries, how many are rewritten while they are read
  std::optional<Step> m_race; // the next step, of the entry that was the last
  std::array<uint8_t, kClients> m_stage{}; // how far this client has probably come: its next step in kBeginning
};

}
