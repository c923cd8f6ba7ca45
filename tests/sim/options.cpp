// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/options.h"
#include <algorithm>
#include <charconv>
#include <string_view>

namespace httpsys::sim {

static constexpr uint64_t kCanarySeconds = 60;
static constexpr uint32_t kMostCores = 16;

static constexpr CanaryRow kCanaries[] = {
    {"EntryReadAgain", Canary::EntryReadAgain, ProfileName::Hostile},
    {"ParametersReadAgain", Canary::ParametersReadAgain, ProfileName::Swarm},
    {"ParametersInPlace", Canary::ParametersInPlace, ProfileName::Swarm},
    {"TailReadAgain", Canary::TailReadAgain, ProfileName::Hostile},
    {"HeadReadAgain", Canary::HeadReadAgain, ProfileName::Hostile},
    {"LengthsNotClamped", Canary::LengthsNotClamped, ProfileName::Hostile},
    {"ReservedBitsIgnored", Canary::ReservedBitsIgnored, ProfileName::Hostile},
    {"TailNotChecked", Canary::TailNotChecked, ProfileName::Hostile},
    {"BlockNotChecked", Canary::BlockNotChecked, ProfileName::Hostile},
    {"SlotNotChecked", Canary::SlotNotChecked, ProfileName::Hostile},
    {"WaitsForClient", Canary::WaitsForClient, ProfileName::Hostile},
    {"WorkNotBounded", Canary::WorkNotBounded, ProfileName::Hostile},
    {"IdsNotChecked", Canary::IdsNotChecked, ProfileName::Hostile},
    {"OwnerNotChecked", Canary::OwnerNotChecked, ProfileName::Swarm},
    {"CompletedTwice", Canary::CompletedTwice, ProfileName::Swarm},
    {"ClaimedElsewhere", Canary::ClaimedElsewhere, ProfileName::Cores},
    {"CompletionLost", Canary::CompletionLost, ProfileName::Swarm},
    {"BlockNotCleared", Canary::BlockNotCleared, ProfileName::Swarm},
    {"OthersInBlock", Canary::OthersInBlock, ProfileName::Swarm},
    {"FileNotSynced", Canary::FileNotSynced, ProfileName::Crash},
    {"FolderNotSynced", Canary::FolderNotSynced, ProfileName::Crash},
    {"DamagedOverwritten", Canary::DamagedOverwritten, ProfileName::Crash},
    {"LossNotMended", Canary::LossNotMended, ProfileName::Crash},
    {"RemovalNotSynced", Canary::RemovalNotSynced, ProfileName::Crash},
    {"FoundNotSynced", Canary::FoundNotSynced, ProfileName::Crash},
    {"PresentNotExamined", Canary::PresentNotExamined, ProfileName::Crash},
    {"FailureNotSettled", Canary::FailureNotSettled, ProfileName::Crash},
    {"LostFolderUsed", Canary::LostFolderUsed, ProfileName::Crash},
    {"PlaceNotChecked", Canary::PlaceNotChecked, ProfileName::Crash},
    {"CutShortWithFin", Canary::CutShortWithFin, ProfileName::Swarm},
    {"AnsweredEarly", Canary::AnsweredEarly, ProfileName::Swarm},
    {"ShareNotGivenBack", Canary::ShareNotGivenBack, ProfileName::Cores},
    {"QueueOfOthers", Canary::QueueOfOthers, ProfileName::Cores},
    {"UsersTogether", Canary::UsersTogether, ProfileName::Cores},
    {"BlockLost", Canary::BlockLost, ProfileName::Cores},
    {"HandleNotGivenBack", Canary::HandleNotGivenBack, ProfileName::Cores},
    {"WaitingNotGivenBack", Canary::WaitingNotGivenBack, ProfileName::Cores},
};

std::span<const CanaryRow> canaries()
{
  return kCanaries;
}

const char *usage()
{
  return "usage: httpsys-sim [--seed S | --seconds N] [--steps N] [--cores N]\n"
         "                   [--profile swarm|hostile|cores|tls|crash] [--canary NAME]\n"
         "                   [--trace]\n"
         "       httpsys-sim --list-canaries\n"
         "\n"
         "The whole daemon on a simulated platform, decided by a seed. Without --seed new seeds\n"
         "are run for 10 seconds, with --canary for 60. Exit status 0: nothing found; 1: a finding, its seed, step and\n"
         "last events are printed; 2: usage, or it cannot be done here. HACKING.md\n"
         "explains more.\n";
}

static std::optional<uint64_t> number(std::string_view text)
{
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

static bool take_name(Options &options, std::string_view option, std::string_view value, std::string &why)
{
  if (option == "--profile") {
    options.profile = profile_named(value);
    why = options.profile ? "" : "there is no profile " + std::string(value);
    return options.profile.has_value();
  }
  auto found = std::ranges::find(kCanaries, value, &CanaryRow::name);
  if (found == std::end(kCanaries)) {
    why = "there is no canary " + std::string(value);
    return false;
  }
  options.canary = found;
  return true;
}

static constexpr uint64_t kMostSeconds = 10ull * 366 * 24 * 3600; // more would not fit a clock

static bool take_number(Options &options, std::string_view option, uint64_t value, std::string &why)
{
  if (option == "--seed")
    options.seed = value;
  else if (value == 0 || (option == "--cores" && value > kMostCores) || (option == "--seconds" && value > kMostSeconds))
    why = std::string(option) + " is out of range";
  else if (option == "--cores")
    options.cores = static_cast<uint32_t>(value);
  else
    (option == "--seconds" ? options.seconds : options.steps) = value;
  return why.empty();
}

std::optional<Options> parse_options(int argc, const char *const *argv, std::string &why)
{
  Options options;
  bool has_seconds = false;
  for (int at = 1; at < argc; at++) {
    std::string_view option = argv[at];
    if (option == "--help" || option == "--list-canaries" || option == "--trace") {
      (option == "--help" ? options.helps : option == "--trace" ? options.tells : options.lists_canaries) = true;
      continue;
    }
    bool is_name = option == "--profile" || option == "--canary";
    bool is_number = option == "--seed" || option == "--seconds" || option == "--steps" || option == "--cores";
    if (!is_name && !is_number)
      why = "unknown: " + std::string(option);
    else if (++at == argc)
      why = std::string(option) + " needs a value";
    if (!why.empty())
      return std::nullopt;
    auto value = is_number ? number(argv[at]) : std::nullopt;
    if (is_number && !value)
      why = std::string(option) + " takes a number";
    if (!why.empty() || !(is_number ? take_number(options, option, *value, why) : take_name(options, option, argv[at], why)))
      return std::nullopt;
    has_seconds |= option == "--seconds";
  }
  if (options.seed && has_seconds)
    why = "--seed and --seconds exclude one another";
  if (options.canary && !has_seconds)
    options.seconds = kCanarySeconds;
  return why.empty() ? std::optional(options) : std::nullopt;
}

}
