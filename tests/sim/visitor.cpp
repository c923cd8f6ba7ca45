// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/visitor.h"
#include "tests/sim/belonging.h"
#include "tests/sim/simulation.h"
#include <algorithm>
#include <fmt/format.h>

namespace httpsys::sim {

using fuzz::Finding;

static constexpr size_t kPipeline = 5;
static constexpr uint64_t kQuietMilliseconds = 29'000;  // longer, and a timer of the daemon's may end a connection
static constexpr uint64_t kWholeMilliseconds = 119'000; // a head, a slice of a response

Visitor::Visitor(Simulation &simulation, Visit &visit, std::unique_ptr<Wire> wire)
    : m_simulation(simulation), m_visit(visit), m_wire(std::move(wire)), m_since(simulation.now()), m_begun(m_since),
      m_is_slow(simulation.profile.has_slow_visitors && simulation.random.chance(1, 3))
{
  if (m_is_slow)
    m_wire->socket().room = 0;
}

// Whoever plays the peer no longer must end the connection, or it would stay.
Visitor::~Visitor()
{
  m_wire->socket().room = UINT64_MAX;
  if (!m_has_left)
    m_wire->reset();
  m_visit.may_end("the client left");
}

std::string Visitor::describe() const
{
  std::string text = fmt::format("v{}", m_visit.number);
  for (const Waiting &waiting : m_waiting)
    text += " waits for " + waiting.exchange->describe();
  return text;
}

static uint64_t body_length(Random &random)
{
  switch (random.below(5)) {
  case 0: return 0;
  case 1: return random.below(100'000);
  case 2: return random.below(9'000);
  default: return random.below(200);
  }
}

void Visitor::add_request()
{
  Random &random = m_simulation.random;
  Site *site = random.chance(1, 30) ? nullptr : m_simulation.pick_site();
  if (site && site->is_tls != m_visit.is_tls)
    site = nullptr;
  if (!site && random.chance(9, 10))
    return;
  Exchange &exchange = m_simulation.model.add_exchange(m_visit, site, m_simulation.step);
  exchange.method = static_cast<Method>(random.below(5));
  if (exchange.method == Method::Post || exchange.method == Method::PostChunked)
    exchange.request_bytes = body_length(random);
  std::string text = request_text(exchange);
  m_outgoing += text;
  m_waiting.push_back({&exchange, m_queued, m_queued + text.size()});
  m_queued += text.size();
  m_simulation.trace.note("{}: {} body bytes", exchange.describe(), exchange.request_bytes);
}

std::string Visitor::request_text(const Exchange &exchange) const
{
  static constexpr const char *kVerbs[] = {"GET", "HEAD", "POST", "POST", "GET"};
  std::string path = exchange.site ? exchange.site->path() : std::string("/nowhere/");
  bool is_old = exchange.method == Method::OldGet;
  std::string text = fmt::format("{} {}r{} HTTP/1.{}\r\nHost: 127.0.0.1:{}\r\n", kVerbs[static_cast<size_t>(exchange.method)], path,
                                 exchange.number, is_old ? 0 : 1, m_visit.is_tls ? 8443 : 8080);
  std::string body = body_bytes(exchange.number, 'q', 0, exchange.request_bytes);
  if (exchange.method == Method::Post)
    return fmt::format("{}Content-Length: {}\r\n\r\n{}", text, body.size(), body);
  if (exchange.method != Method::PostChunked)
    return text + "\r\n";
  text += "Transfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += 5000) {
    std::string piece = body.substr(at, 5000);
    text += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  return text + "0\r\n\r\n";
}

void Visitor::send(uint64_t most)
{
  if (m_has_left || !m_wire->is_ready() || m_outgoing.empty() || most == 0)
    return;
  auto count = static_cast<size_t>(std::min<uint64_t>(most, m_outgoing.size()));
  m_wire->send(std::string_view(m_outgoing).substr(0, count));
  m_outgoing.erase(0, count);
  m_sent += count;
  m_since = m_simulation.now();
  for (Waiting &waiting : m_waiting)
    waiting.exchange->is_sent = m_sent >= waiting.end;
}

void Visitor::note_time()
{
  uint64_t now = m_simulation.now();
  if (now - m_since > kQuietMilliseconds || now - m_begun > kWholeMilliseconds)
    m_visit.may_end("it was slow");
}

void Visitor::act()
{
  Random &random = m_simulation.random;
  note_time();
  if (m_has_left)
    return;
  uint64_t what = random.below(100);
  if (what < 20 && m_waiting.size() < kPipeline && !m_is_half_closed)
    add_request();
  else if (what < 60)
    send(random.chance(1, 2) ? UINT64_MAX : 1 + random.below(300));
  else if (what < 97)
    look();
  else if (!m_is_half_closed && (m_simulation.profile.has_rude_visitors || (m_waiting.empty() && m_wire->is_ready())))
    leave(random.chance(1, 2));
  if (m_is_slow && random.chance(1, 4))
    m_wire->socket().room += random.below(3000);
}

void Visitor::calm()
{
  note_time();
  m_wire->socket().room = UINT64_MAX;
  send(UINT64_MAX);
  look();
}

void Visitor::leave(bool politely)
{
  m_visit.may_end("the client left");
  m_simulation.trace.note("v{} leaves {}", m_visit.number, politely ? "politely" : "at once");
  // A half-closed connection still gets its answers; who resets takes nothing any more.
  if (politely) {
    m_wire->end_politely();
    m_outgoing.clear();
    m_is_half_closed = true;
  } else {
    m_wire->reset();
    m_waiting.clear();
    m_has_left = true;
  }
}

void Visitor::look()
{
  if (m_visit.has_ended || m_has_left)
    return;
  std::string come = m_wire->receive();
  if (!come.empty())
    m_since = m_simulation.now();
  look_whose(come);
  m_reader.append(come);
  if (!m_wire->complaint().empty() && !m_visit.reason())
    throw Finding{"mixed", fmt::format("v{}: {}", m_visit.number, m_wire->complaint())};
  // Whoever no longer listens to TLS gets nothing more.
  bool has_ended = m_wire->has_ended() || !m_wire->complaint().empty();
  while (!m_waiting.empty()) {
    Exchange &exchange = *m_waiting.front().exchange;
    std::string what_is_wrong;
    auto answer = m_reader.take(exchange.method == Method::Head, has_ended, what_is_wrong);
    if (!what_is_wrong.empty())
      throw Finding{"mixed", fmt::format("{} was answered with no HTTP: {}", exchange.describe(), what_is_wrong)};
    if (!answer)
      break;
    m_waiting.pop_front();
    judge(exchange, *answer);
    m_begun = m_simulation.now();
  }
  if (m_waiting.empty() && m_reader.has_bytes())
    throw Finding{"mixed", fmt::format("v{} was sent bytes that belong to no answer", m_visit.number)};
  if (!has_ended)
    return;
  m_visit.has_ended = true;
  if (!m_visit.socket->is_accepted)
    m_visit.may_end("its port was closed before it was accepted");
  if (has_made_room())
    m_visit.may_end("it was idle and made room");
  m_simulation.trace.note("v{} has ended{}", m_visit.number, m_wire->has_ended_well() ? "" : " early");
  for (const Waiting &waiting : m_waiting)
    if (!waiting.exchange->reason())
      throw Finding{"never", waiting.exchange->describe() + " was not answered, and nobody had a reason to end its connection"};
  if (!m_visit.reason())
    throw Finding{"refused others", fmt::format("the connection v{} was ended without a reason", m_visit.number)};
  m_waiting.clear();
}

// Also where no reader of HTTP looks.
void Visitor::look_whose(const std::string &come) const
{
  auto found = find_belonging({reinterpret_cast<const uint8_t *>(come.data()), come.size()}, [this](Belonging what) {
    const Exchange *exchange = m_simulation.model.find_exchange(what.number);
    return what.kind != Belonging::Kind::AnswerBody || !exchange || exchange->visit != &m_visit;
  });
  if (found)
    throw Finding{"mixed", fmt::format("v{} was sent something of {}, which is not for it", m_visit.number, found->number)};
}

// It has ended: the daemon had taken nothing of a request that is not answered, and left nothing untaken. With TLS its requests may have
// crossed the end, which takes a moment.
bool Visitor::has_made_room() const
{
  const platform::SimSocket &socket = *m_visit.socket;
  if (!m_simulation.model.has_few_places || m_reader.has_bytes())
    return false;
  if (m_visit.is_tls)
    return true;
  return !socket.reset_received && (m_waiting.empty() || m_sent - socket.to_daemon.size() <= m_waiting.front().begin);
}

void Visitor::judge(Exchange &exchange, const HttpAnswer &answer)
{
  exchange.is_answered = true;
  m_simulation.trace.note("{} is answered: {}, {} body bytes{}", exchange.describe(), answer.status, answer.body.size(),
                          answer.is_cut ? ", cut" : "");
  if (!exchange.is_sent || answer.closes || exchange.method == Method::OldGet)
    m_visit.may_end("its last answer ended it"); // or the rest of the body did
  if (answer.is_cut && !exchange.reason())
    throw Finding{"never", exchange.describe() + " was answered in part, and nobody had a reason to end its connection"};
  if (answer.is_cut && answer.status == 0)
    return;
  if (!exchange.has_response || answer.status != exchange.status)
    return judge_own(exchange, answer);
  if (!is_body(answer.body, exchange.number, 'a', 0) || answer.body.size() > exchange.response_bytes)
    throw Finding{"mixed", fmt::format("{} was answered with {} and {} bytes that no worker has sent", exchange.describe(), answer.status,
                                       answer.body.size())};
  bool is_whole = exchange.declared_bytes ? answer.body.size() == *exchange.declared_bytes
                                          : exchange.is_final && answer.body.size() == exchange.response_bytes;
  bool has_body = exchange.method != Method::Head && answer.status != 204 && answer.status != 304;
  bool may_be_short = answer.is_cut || (answer.ends_with_connection && exchange.reason() && !m_wire->has_ended_well());
  if (has_body && !is_whole && !may_be_short)
    throw Finding{"mixed", fmt::format("{} was answered with {} of {} bytes{}", exchange.describe(), answer.body.size(),
                                       exchange.response_bytes, exchange.is_final ? "" : " so far")};
}

// What the daemon answers itself.
void Visitor::judge_own(Exchange &exchange, const HttpAnswer &answer)
{
  m_visit.may_end("the daemon refused a request");
  const Site *site = exchange.site;
  bool was_steady = !exchange.may_be_refused();
  bool is_known = answer.status == 404 || answer.status == 400 || (answer.status == 503 && site);
  if (!is_known || was_steady || (exchange.has_response && !exchange.reason()))
    throw Finding{"refused others", fmt::format("{} was answered with {}: {}", exchange.describe(), answer.status,
                                                was_steady ? "its URL was served all the time" : "nothing accounts for that")};
}

}
