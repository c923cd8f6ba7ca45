// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/exchange.h"
#include <algorithm>

namespace httpsys::sim {

static constexpr const char *kNames[] = {"GET", "HEAD", "POST", "chunked POST", "HTTP/1.0 GET"};

bool Visit::has_reason_to_end() const
{
  return reason() || std::ranges::any_of(exchanges, [](const Exchange *exchange) {
    return !exchange->is_answered && !exchange->has_response && exchange->may_be_refused();
  });
}

std::string Exchange::describe() const
{
  return fmt::format("{} r{} of v{} to {}", kNames[static_cast<size_t>(method)], number, visit->number,
                     site ? site->path() : std::string("nowhere"));
}

std::string body_bytes(uint32_t exchange, char direction, uint64_t offset, uint64_t length)
{
  std::string text;
  uint64_t first = offset / kBodyUnit;
  for (uint64_t unit = first; text.size() < length + offset % kBodyUnit; unit++)
    text += fmt::format("{}{:07}{:07}\n", direction, exchange % 10'000'000, unit % 10'000'000);
  return text.substr(offset % kBodyUnit, length);
}

bool is_body(std::string_view bytes, uint32_t exchange, char direction, uint64_t offset)
{
  return bytes == body_bytes(exchange, direction, offset, bytes.size());
}

Site &Model::add_site(bool is_tls, uint32_t uid, uint64_t step)
{
  Site &site = m_sites.emplace_back();
  site.number = static_cast<uint32_t>(m_sites.size());
  site.uid = uid;
  site.is_tls = is_tls;
  site.disturbed_step = step;
  return site;
}

Visit &Model::add_visit(bool is_tls, std::shared_ptr<platform::SimSocket> socket)
{
  Visit &visit = m_visits.emplace_back();
  visit.number = static_cast<uint32_t>(m_visits.size());
  visit.is_tls = is_tls;
  visit.socket = std::move(socket);
  return visit;
}

Exchange &Model::add_exchange(Visit &visit, Site *site, uint64_t step)
{
  Exchange &exchange = m_exchanges.emplace_back();
  exchange.number = static_cast<uint32_t>(m_exchanges.size());
  exchange.visit = &visit;
  exchange.site = site;
  exchange.begun_step = step;
  uint32_t uid = site ? site->uid : 0;
  if (has_few_requests && uid != 0) { // administrators may have any number
    exchange.of_user = &m_requests[uid];
    m_requests[uid]++;
  }
  visit.exchanges.push_back(&exchange);
  return exchange;
}

Exchange *Model::find_exchange(uint32_t number)
{
  return number == 0 || number > m_exchanges.size() ? nullptr : &m_exchanges[number - 1];
}

Model::Range Model::connections() const
{
  auto accepted = std::ranges::count_if(m_visits, [](const Visit &visit) { return visit.socket->is_accepted; });
  return {static_cast<uint64_t>(accepted), m_visits.size()};
}

Model::Range Model::requests() const
{
  auto received = std::ranges::count_if(m_exchanges, [](const Exchange &exchange) { return exchange.worker != 0; });
  return {static_cast<uint64_t>(received), m_exchanges.size()};
}

}
