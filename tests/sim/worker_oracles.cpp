// SPDX-License-Identifier: GPL-3.0-or-later
// Worker: what it must never be given, and what is another one's.
#include "tests/sim/belonging.h"
#include "tests/sim/simulation.h"
#include "tests/sim/worker.h"
#include "tools/fuzz/conservation.h"
#include "tools/fuzz/step.h"
#include "uapi/status.h"
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::sim {

using fuzz::Completion;
using fuzz::Finding;

// What nobody wrote on purpose, and nobody may ever be sent.
void Worker::poison()
{
  const fuzz::Mapping &mapping = *m_client.link().mapping();
  const hsys_geometry &geometry = m_client.geometry();
  std::string unit = body_bytes(m_number, kPoison, 0, kBodyUnit);
  for (uint64_t at = 0; at + kBodyUnit <= geometry.tx_bytes; at += kBodyUnit)
    std::memcpy(mapping.utok + geometry.tx_offset + at, unit.data(), kBodyUnit);
}

bool Worker::may_know(const Site *site) const
{
  return site && (site->is_tried || std::ranges::any_of(m_handles, [&](const auto &handle) { return handle->site == site; }));
}

// No more than the smallest block at once: of memory that was used more than once the rests of two may lie side by side and look like one
// thing.
bool Worker::has_others(std::span<const uint8_t> bytes) const
{
  auto is_wrong = [this](Belonging what) {
    const Exchange *exchange = m_simulation.model.find_exchange(what.number);
    switch (what.kind) {
    case Belonging::Kind::RequestBody:
    case Belonging::Kind::RequestPath: return !exchange || !may_know(exchange->site);
    case Belonging::Kind::Site: return !may_know(m_simulation.model.find_site(what.number));
    default: return true; // answers and poison are never given to a worker
    }
  };
  for (size_t at = 0; at < bytes.size(); at += HSYS_BLOCK_MIN)
    if (find_belonging(bytes.subspan(at, std::min<size_t>(HSYS_BLOCK_MIN, bytes.size() - at)), is_wrong))
      return true;
  return false;
}

// Nothing in its image is another one's, be it of the same site.
void Worker::look_whose(const Exchange &exchange, const Operation &operation, const Completion &completion) const
{
  auto found = find_belonging(completion.output, [&](Belonging what) {
    switch (what.kind) {
    case Belonging::Kind::RequestBody:
    case Belonging::Kind::RequestPath: return what.number != exchange.number;
    case Belonging::Kind::Site: return what.number != exchange.site->number;
    default: return true;
    }
  });
  if (found)
    complain("mixed", operation, completion, fmt::format("its image has something of {} in it", found->number).c_str());
}

void Worker::check_conservation()
{
  auto facts = fuzz::channel_facts(m_simulation.profile.cores, m_client.geometry().session);
  if (!facts || has_ended())
    return;
  fuzz::RingClient::Outstanding outstanding = m_client.outstanding();
  uint64_t blocks = outstanding.blocks + m_blocks.size();
  if (facts->lent != blocks)
    throw Finding{"not conserved", fmt::format("w{}: {} blocks are on loan, and it knows of {}", m_number, facts->lent, blocks)};
  uint64_t operations = facts->in_flight + outstanding.entries + outstanding.completions;
  if (operations != m_operations.size())
    throw Finding{"not conserved", fmt::format("w{}: {} operations are in progress, of which {} have been admitted and not completed; it "
                                               "knows of {}", m_number, operations, facts->in_flight, m_operations.size())};
}

void Worker::hand_back()
{
  m_client.take_messages();
  reap(SIZE_MAX);
  advance();
  give_back();
}

// Registers what another worker serves, which must fail as long as that has it.
void Worker::take_url()
{
  auto &sites = m_simulation.model.sites();
  // Where it succeeds requests count for another user.
  if (!has_room() || sites.empty() || m_simulation.model.has_few_requests)
    return;
  Site &site = sites[sites.size() - 1 - m_simulation.people.below(std::min<size_t>(sites.size(), 4))];
  if (!site.is_served || site.is_tls || &site == m_site)
    return;
  site.is_tried = true;
  Operation &operation = submit(HSYS_OP_ADD_URL, nullptr, m_group, fuzz::url_block(site.url()));
  operation.site = &site;
  operation.takes = true;
  publish();
}

void Worker::taking_done(const Operation &operation, const Completion &completion)
{
  auto status = static_cast<hsys_status>(completion.entry.status);
  Site &site = *operation.site;
  if (status == HSYS_STATUS_OBJECT_NAME_COLLISION)
    return;
  bool is_fault = m_simulation.is_faulty && (status == HSYS_STATUS_TOO_MANY_OPENED_FILES || status == HSYS_STATUS_INSUFFICIENT_RESOURCES);
  if (status != HSYS_STATUS_SUCCESS && !is_fault)
    complain("refused others", operation, completion, "nothing was wrong with it");
  if (is_fault)
    return;
  if (site.is_served && site.disturbed_step < operation.step)
    complain("accepted", operation, completion, "another one has its URL all the time");
  site.disturbed_step = m_simulation.step;
  m_taken.push_back(&site);
}

void Worker::give_up_urls()
{
  while (!m_taken.empty() && has_room()) {
    Site &site = *m_taken.back();
    m_taken.pop_back();
    submit(HSYS_OP_REMOVE_URL, nullptr, m_group, fuzz::url_block(site.url())).site = &site;
    publish();
  }
}

}
