// SPDX-License-Identifier: GPL-3.0-or-later
// Shows that the harness can fail: breaks one rule of the simulated daemon after the other and looks how soon it notices. Exit status 1
// when a broken rule stays unnoticed for a minute, or when something is found with none broken.
#include "kernel/base/canary.h"
#include "tools/fuzz/isolated.h"
#include <chrono>
#include <cstdio>
#include <cstring>

using namespace httpsys;

namespace {

constexpr uint64_t kSeconds = 60;

struct Row {
  const char *name;
  Canary rule;
};

constexpr Row kRows[] = {
    {"EntryReadAgain", Canary::EntryReadAgain},       {"LengthsNotClamped", Canary::LengthsNotClamped},
    {"ReservedBitsIgnored", Canary::ReservedBitsIgnored}, {"TailNotChecked", Canary::TailNotChecked},
    {"BlockNotChecked", Canary::BlockNotChecked},     {"SlotNotChecked", Canary::SlotNotChecked},
    {"WaitsForClient", Canary::WaitsForClient},       {"IdsNotChecked", Canary::IdsNotChecked},
    {"CompletedTwice", Canary::CompletedTwice},       {"CompletionLost", Canary::CompletionLost},
    {"BlockNotCleared", Canary::BlockNotCleared},     {"WorkNotBounded", Canary::WorkNotBounded},
};

}

int main(int argc, char **argv)
{
  bool is_good = true;
  for (const Row &row : kRows) {
    if (argc > 1 && std::strcmp(argv[1], row.name) != 0)
      continue;
    auto begun = std::chrono::steady_clock::now();
    g_canary = row.rule;
    fuzz::Outcome outcome = fuzz::run_seeds(1, kSeconds, 0);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::printf("%-20s %s after %.2f s, %llu steps: %s\n", row.name, outcome.has_finding ? outcome.kind.c_str() : "NOT CAUGHT",
                took.count(), static_cast<unsigned long long>(outcome.counts.steps), outcome.text.c_str());
    std::fflush(stdout);
    is_good &= outcome.has_finding;
  }
  return is_good ? 0 : 1;
}
