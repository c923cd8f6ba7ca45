// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ke/tally.h"
#include "kernel/ke/core.h"
#include "kernel/limits.h"
#include <atomic>
#include <fmt/format.h>

namespace httpsys::ke {

namespace {

struct alignas(64) CoreTallies {
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Tally::kCount)> counts{};
};
std::array<CoreTallies, limits::kCores> s_cores;

enum class Weight : uint8_t { Usual, Ordinary, Remarkable };

struct Row {
  Tally what;
  Weight weight;
  const char *label;  // of "show statistics"
  const char *phrase; // of the log, after the number
};

constexpr Row kRows[] = {
  {Tally::InOrder, Weight::Usual, "Ended in order", "connections ended in order"},
  {Tally::Idle, Weight::Usual, "Idle (Timer_ConnectionIdle)", "were idle after a request (Timer_ConnectionIdle)"},
  {Tally::Unused, Weight::Ordinary, "Left without a request", "clients left without a request"},
  {Tally::UnusedIdle, Weight::Ordinary, "Idle without a request", "connections were idle without a request (Timer_ConnectionIdle)"},
  {Tally::MadeRoom, Weight::Remarkable, "Idle, made room", "were idle and made room for others"},
  {Tally::HandshakeTime, Weight::Remarkable, "Handshake too long", "took too long for the TLS handshake"},
  {Tally::HeadTime, Weight::Remarkable, "Timer_HeaderWait", "took too long for a request head (Timer_HeaderWait)"},
  {Tally::BodyTime, Weight::Remarkable, "Timer_EntityBody", "took too long for a request body (Timer_EntityBody)"},
  {Tally::RestTime, Weight::Remarkable, "Timer_EntityBody, answered",
   "took too long for the body of an answered request (Timer_EntityBody)"},
  {Tally::CertificateTime, Weight::Remarkable, "Timer_SslRenegotiation",
   "did not answer the request for a certificate in time (Timer_SslRenegotiation)"},
  {Tally::SendTime, Weight::Remarkable, "Timer_MinBytesPerSecond", "did not read their response (Timer_MinBytesPerSecond)"},
  {Tally::HandshakeFailed, Weight::Remarkable, "Handshake failed", "TLS handshakes failed or were broken off"},
  {Tally::TlsFailed, Weight::Remarkable, "TLS failed", "TLS connections failed after the handshake"},
  {Tally::CertificateFailed, Weight::Remarkable, "Closed instead of certificate", "were closed by a client asked for its certificate"},
  {Tally::Refused, Weight::Remarkable, "Request refused", "requests were refused"},
  {Tally::Broken, Weight::Remarkable, "Left in a request", "clients left in the middle of a request or its response"},
  {Tally::Abandoned, Weight::Remarkable, "Worker gone", "were reset, for the worker had gone (Connection_Abandoned_By_ReqQueue)"},
  {Tally::Cancelled, Weight::Usual, "Cancelled by worker", "were reset as the worker wanted"},
  {Tally::System, Weight::Remarkable, "Broken off by system", "were broken off by the system"},
  {Tally::Shutdown, Weight::Usual, "Ended with httpsysd", "were ended with httpsysd"},
  {Tally::Turned, Weight::Remarkable, "Connection refused", "connections were refused, too many were open"},
  {Tally::Vanished, Weight::Ordinary, "Gone before accept", "clients had gone before their connection was looked at"},
  {Tally::Renegotiation, Weight::Remarkable, "Renegotiation refused", "renegotiations were begun by clients and refused"},
  {Tally::NewKeys, Weight::Ordinary, "New keys", "times clients asked for new keys"},
  {Tally::TicketNotTaken, Weight::Ordinary, "Session ticket not taken", "session tickets were not taken"},
  {Tally::BadTicket, Weight::Remarkable, "Session ticket bad", "session tickets were forged or of another binding"},
  {Tally::BadCertificate, Weight::Remarkable, "Certificate not verified", "client certificates did not verify"},
};

constexpr bool are_in_order()
{
  for (size_t i = 0; i < std::size(kRows); i++)
    if (kRows[i].what != static_cast<Tally>(i))
      return false;
  return std::size(kRows) == static_cast<size_t>(Tally::kCount);
}
static_assert(are_in_order());

}

void count(Tally what)
{
  const Core *core = Core::current_or_null();
  s_cores[core ? core->id() : 0].counts[static_cast<size_t>(what)].fetch_add(1, std::memory_order_relaxed);
}

Tallies tallies()
{
  Tallies sums{};
  for (const CoreTallies &core : s_cores)
    for (size_t i = 0; i < sums.size(); i++)
      sums[i] += core.counts[i].load(std::memory_order_relaxed);
  return sums;
}

std::string show_tallies(const Tallies &all)
{
  std::string text;
  for (size_t i = 0; i < all.size(); i++)
    text += fmt::format("    {:<28} : {}\n", kRows[i].label, all[i]);
  return text;
}

std::string describe_tallies(const Tallies &changes, uint64_t ordinary)
{
  std::string text;
  bool is_remarkable = false;
  for (size_t i = 0; i < changes.size(); i++) {
    if (changes[i] == 0)
      continue;
    is_remarkable |= kRows[i].weight == Weight::Remarkable;
    is_remarkable |= kRows[i].weight == Weight::Ordinary && changes[i] >= ordinary;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", changes[i], kRows[i].phrase);
  }
  return is_remarkable ? text : std::string();
}

}
