// SPDX-License-Identifier: GPL-3.0-or-later
// What the model knows: sites (a URL with its request queue), visits (network connections) and exchanges (a request and its response).
// Visitors and workers enter here what they do, and look here whether what the daemon does is allowed. One thread, one simulation.
#pragma once
#include "kernel/platform/sim/sim_objects.h"
#include <cstdint>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace httpsys::sim {

struct Site {
  uint32_t number = 0;
  uint32_t uid = 0; // whose queue and URL they are
  bool is_tls = false;
  bool is_tried = false;       // another worker has tried to register its URL, and may have had it
  bool is_served = false;      // registered, bound, and its queue is open somewhere
  uint32_t open_handles = 0;   // of its queue, as far as the processes know
  uint64_t disturbed_step = 0; // the last step at which something of it was taken away, or came

  std::string path() const { return fmt::format("/s{}/", number); }
  std::string queue_name() const { return fmt::format("q{}", number); }
  std::string url() const { return fmt::format("{}{}", is_tls ? "https://127.0.0.1:8443" : "http://127.0.0.1:8080", path()); }
};

inline constexpr uint64_t kFewRequests = 3;

struct Exchange;

struct Visit {
  uint32_t number = 0;
  bool is_tls = false;
  bool has_certificate = false;
  const char *end_reason = nullptr; // why the connection may end before all is answered; null: it must not
  bool has_ended = false;           // seen by the visitor

  std::vector<const Exchange *> exchanges;
  std::shared_ptr<platform::SimSocket> socket;

  void may_end(const char *why)
  {
    if (!end_reason)
      end_reason = why;
  }
  // Why it may end; null: it must not.
  const char *reason() const { return end_reason || !socket->is_struck ? end_reason : "the network failed"; }
  // The same for what the visitor has not seen yet: one of its requests may have been refused, which ends it.
  bool has_reason_to_end() const;
};

enum class Method : uint8_t { Get, Head, Post, PostChunked, OldGet };

struct Exchange {
  uint32_t number = 0;
  Method method = Method::Get;
  Site *site = nullptr; // null: a path that nobody registers
  Visit *visit = nullptr;
  uint64_t request_bytes = 0; // of its body
  uint64_t begun_step = 0;
  const uint64_t *of_user = nullptr; // requests that there ever were for its site's user, where RequestsPerUser is small
  bool is_sent = false; // the visitor has given all of it to the network

  bool is_with_worker = false;      // received by a session that lives
  const char *end_reason = nullptr; // why operations on it may fail, and its answer may be missing
  bool has_response = false;        // a worker has submitted one
  bool is_final = false;            // and all of it
  uint16_t status = 0;
  uint64_t response_bytes = 0; // of the body, submitted so far
  std::optional<uint64_t> declared_bytes; // its Content-Length, when the worker has given one
  bool is_answered = false;               // seen by the visitor
  uint32_t worker = 0;                    // that has received it last

  void may_end(const char *why)
  {
    if (!end_reason)
      end_reason = why;
  }
  const char *reason() const { return end_reason ? end_reason : visit->reason(); }
  // All that its head declares has been submitted: the daemon ends it by itself when the request has been read, or the next one has come.
  bool is_complete() const
  {
    bool has_no_body = method == Method::Head || status == 204 || status == 304;
    return has_response && (has_no_body || declared_bytes == response_bytes);
  }
  // A user may always have so many, whatever others have.
  bool is_one_too_many() const { return of_user && *of_user > kFewRequests; }
  // With 404 or 503: its URL has not been served all the time since it was begun, or there may be fewer requests than visitors send.
  bool may_be_refused() const { return is_one_too_many() || !site || !site->is_served || site->disturbed_step >= begun_step; }
  std::string describe() const;
};

// What repeats in a body, with its place: its direction, the exchange's number and the unit's, a line's end.
inline constexpr size_t kBodyUnit = 16, kBodyUnitDigits = 7;
inline constexpr char kRequestBody = 'q', kAnswerBody = 'a', kPoison = 'p'; // directions; poison has a worker's number
// Bytes `offset` to `offset + length` of a body: each place in it says whose it is.
std::string body_bytes(uint32_t exchange, char direction, uint64_t offset, uint64_t length);
bool is_body(std::string_view bytes, uint32_t exchange, char direction, uint64_t offset);

class Model {
public:
  Site &add_site(bool is_tls, uint32_t uid, uint64_t step);
  Visit &add_visit(bool is_tls, std::shared_ptr<platform::SimSocket> socket);
  Exchange &add_exchange(Visit &visit, Site *site, uint64_t step);
  // Null when there is none of that number.
  Exchange *find_exchange(uint32_t number);
  Site *find_site(uint32_t number) { return number == 0 || number > m_sites.size() ? nullptr : &m_sites[number - 1]; }
  std::deque<Site> &sites() { return m_sites; }
  // So many the daemon has counted at least, and so many at most: connections that were accepted and all that have come; requests that
  // workers have received and all that visitors have begun.
  struct Range {
    uint64_t least = 0, most = 0;
    bool contains(uint64_t count) const { return count >= least && count <= most; }
  };
  Range connections() const;
  Range requests() const;
  bool has_few_requests = false; // kFewRequests are the most that may be under way for a user
  bool has_few_places = false;   // for connections: who is idle may be ended
  bool has_full_arenas = false;  // of half of the workers: results wait for blocks

private:
  std::deque<Site> m_sites; // references stay
  std::map<uint32_t, uint64_t> m_requests; // ever, by the uid whose queues they were for
  std::deque<Visit> m_visits;
  std::deque<Exchange> m_exchanges;
};

}
