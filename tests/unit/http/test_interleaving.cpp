// SPDX-License-Identifier: GPL-3.0-or-later
// Clients, workers and cores in random order: deaths, cancellations and closed handles meet deliveries at every place. At the
// end every operation has completed once, every request was answered at most once, and none that could be was lost.
#include "tests/unit/support/service.h"
#include <deque>
#include <set>

using namespace httpsys;
using namespace httpsys::test;

namespace {

struct Client {
  std::shared_ptr<SimSocket> socket;
  std::vector<int> requests; // sent, by number
  size_t answers = 0;
  std::string unsent; // of the last one
  bool has_ended = false; // by its own doing
};

class Interleaving {
public:
  Interleaving(uint32_t seed, uint32_t cores) : m_random(seed), m_world(cores)
  {
    for (int i = 0; i < 3; i++)
      m_workers.push_back(make_worker(i == 0));
  }

  void run(int steps)
  {
    for (int i = 0; i < steps; i++) {
      step();
      m_world.shake(m_random, pick(6));
      collect();
    }
    settle();
    check();
    CHECK(m_answers > static_cast<size_t>(steps) / 50); // it was not idle
  }

private:
  enum class Kind { Receive, Retrieve, Other };
  struct Pending {
    Kind kind;
    uint64_t request = 0;
  };
  struct Request {
    uint64_t id;
    int number = -1; // not known before it was retrieved
    bool is_whole = false;
    bool is_begun = false;
  };
  struct Worker {
    std::unique_ptr<Process> process;
    uint64_t queue = 0;
    std::map<uint32_t, Pending> pending;
    std::vector<Request> requests;
    std::vector<uint64_t> connections;
  };

  uint32_t pick(uint32_t count) { return static_cast<uint32_t>(m_random() % count); }
  bool one_in(uint32_t count) { return pick(count) == 0; }

  Worker make_worker(bool is_first)
  {
    Worker worker;
    worker.process = std::make_unique<Process>(m_world, pick(m_world.core_count()));
    worker.queue = worker.process->create_queue(u"q", is_first ? 0 : HSYS_QUEUE_OPEN_EXISTING);
    if (is_first)
      worker.process->serve(u"http://+:8080/", worker.queue);
    return worker;
  }

  void submit(Worker &worker, Kind kind, uint32_t irp, uint64_t request = 0) { worker.pending[irp] = {kind, request}; }

  void step()
  {
    switch (pick(16)) {
    case 0: case 1: return connect();
    case 2: case 3: return send_request();
    case 4: return send_rest();
    case 5: return end_client();
    case 6: case 7: case 8: return receive();
    case 9: case 10: case 11: case 12: return work();
    case 13: return cancel();
    case 14: return end_worker();
    default: m_world.system.time += pick(500); return;
    }
  }

  void connect()
  {
    if (live_clients().size() < 8)
      m_clients.emplace_back().socket = m_world.connect(8080);
  }

  std::vector<Client *> live_clients()
  {
    std::vector<Client *> live;
    for (Client &client : m_clients)
      if (!client.has_ended && !client.socket->is_closed)
        live.push_back(&client);
    return live;
  }

  Client *any_client()
  {
    auto live = live_clients();
    return live.empty() ? nullptr : live[pick(static_cast<uint32_t>(live.size()))];
  }

  void send_request()
  {
    Client *client = any_client();
    if (!client || !client->unsent.empty())
      return;
    int number = m_next_number++;
    client->requests.push_back(number);
    std::string text;
    std::string body(pick(3) * 40'000, 'b');
    if (one_in(2))
      text = fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", number);
    else if (one_in(2))
      text = fmt::format("POST /{} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", number, body.size(), body);
    else
      text = fmt::format("POST /{} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", number);
    size_t part = one_in(2) ? text.size() : 1 + pick(static_cast<uint32_t>(text.size() - 1));
    client->socket->send(text.substr(0, part));
    client->unsent = text.substr(part);
  }

  void send_rest()
  {
    Client *client = any_client();
    if (client)
      client->socket->send(std::exchange(client->unsent, {}));
  }

  void end_client()
  {
    Client *client = any_client();
    if (!client || !one_in(3))
      return;
    client->has_ended = true;
    (one_in(2) ? client->socket->fin_sent : client->socket->reset_sent) = true;
  }

  Worker &any_worker() { return m_workers[pick(static_cast<uint32_t>(m_workers.size()))]; }

  void receive()
  {
    Worker &worker = any_worker();
    uint32_t flags = pick(4);
    submit(worker, Kind::Receive, worker.process->receive(worker.queue, flags, one_in(3) ? 864 : 65536));
  }

  void work()
  {
    Worker &worker = any_worker();
    if (worker.requests.empty())
      return;
    auto place = worker.requests.begin() + pick(static_cast<uint32_t>(worker.requests.size()));
    switch (pick(8)) {
    case 0:
      if (!place->is_whole)
        submit(worker, Kind::Retrieve, worker.process->receive(worker.queue, pick(4), 65536, place->id), place->id);
      return;
    case 1:
      submit(worker, Kind::Other, worker.process->read_body(worker.queue, place->id));
      return;
    case 2:
      if (!worker.connections.empty())
        submit(worker, Kind::Other,
               worker.process->submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, worker.queue,
                                                     worker.connections[pick(static_cast<uint32_t>(worker.connections.size()))])));
      return;
    case 3:
      if (!one_in(4))
        return;
      submit(worker, Kind::Other, worker.process->submit(Process::entry(HSYS_OP_CANCEL_REQUEST, worker.queue, place->id)));
      break;
    default:
      answer(worker, *place);
    }
    worker.requests.erase(place);
  }

  // The body tells which request it is for; -1: it was answered unseen.
  void answer(Worker &worker, const Request &request)
  {
    std::string body = fmt::format("[{}]", request.number);
    if (one_in(3)) {
      submit(worker, Kind::Other, worker.process->respond(worker.queue, request.id, body, HSYS_SEND_MORE_DATA, body.size() + 1));
      submit(worker, Kind::Other, worker.process->send_body(worker.queue, request.id, "."));
    } else {
      submit(worker, Kind::Other, worker.process->respond(worker.queue, request.id, body));
    }
  }

  void cancel()
  {
    Worker &worker = any_worker();
    if (worker.pending.empty())
      return;
    auto found = worker.pending.begin();
    std::advance(found, pick(static_cast<uint32_t>(worker.pending.size())));
    uint32_t irp = found->first;
    hsys_sqe entry = Process::entry(HSYS_OP_CANCEL, 0, irp);
    submit(worker, Kind::Other, worker.process->submit(entry));
  }

  void end_worker()
  {
    if (one_in(2))
      return;
    size_t index = 1 + pick(2); // the first is there to the end
    Worker &worker = m_workers[index];
    switch (pick(4)) {
    case 0:
      worker.process->holds = true;
      return;
    case 1:
      submit(worker, Kind::Other, worker.process->submit(Process::entry(HSYS_OP_CLOSE_HANDLE, worker.queue)));
      break;
    case 2:
      submit(worker, Kind::Other, worker.process->submit(Process::entry(HSYS_OP_SHUTDOWN_REQUEST_QUEUE, worker.queue)));
      return;
    default:
      break;
    }
    m_world.shake(m_random, pick(5));
    worker = make_worker(false);
  }

  void collect()
  {
    for (Worker &worker : m_workers) {
      for (auto &[irp, done] : worker.process->take_all()) {
        auto found = worker.pending.find(irp);
        REQUIRE(found != worker.pending.end());
        take(worker, found->second, done);
        worker.pending.erase(found);
      }
    }
  }

  void take(Worker &worker, const Pending &pending, const Process::Completion &done)
  {
    if (pending.kind == Kind::Other || (done.status() != NtStatus::Success && done.status() != NtStatus::BufferOverflow))
      return;
    bool is_whole = done.status() == NtStatus::Success;
    int number = is_whole ? std::atoi(done.text(done.request().raw_url).c_str() + 1) : -1;
    if (pending.kind == Kind::Receive) {
      worker.requests.push_back({done.entry.object_id, number, is_whole});
      worker.connections.push_back(done.entry.aux);
      return;
    }
    for (Request &request : worker.requests) {
      if (request.id == pending.request && is_whole) {
        request.is_whole = true;
        request.number = number;
      }
    }
  }

  // Whoever can ends what has been begun; the first worker serves the rest.
  void settle()
  {
    for (Client &client : m_clients)
      if (!client.has_ended)
        client.socket->send(std::exchange(client.unsent, {}));
    while (m_workers.size() > 1)
      m_workers.pop_back();
    Worker &worker = m_workers.front();
    bool goes_on = true;
    while (goes_on) {
      m_world.run();
      collect();
      goes_on = !worker.requests.empty();
      for (const Request &request : std::exchange(worker.requests, {}))
        answer(worker, request);
      if (!goes_on) {
        submit(worker, Kind::Receive, worker.process->receive(worker.queue));
        m_world.run();
        collect();
        goes_on = !worker.requests.empty();
      }
    }
    for (auto &[irp, pending] : worker.pending)
      worker.process->cancel(irp);
    m_world.run();
    CHECK(worker.process->delivered_requests() == 0);
  }

  void check()
  {
    std::set<std::string> answered;
    for (Client &client : m_clients) {
      std::string text = client.socket->from_daemon;
      size_t answers = 0, refusals = 0;
      for (size_t at = text.find("HTTP/1.1 "); at != text.npos; at = text.find("HTTP/1.1 ", at + 1)) {
        if (text.substr(at, 12) == "HTTP/1.1 200") {
          CHECK(answers < client.requests.size());
          // The numbers come in the order of the requests.
          size_t open = text.find('[', at), shut = text.find(']', at);
          if (open != text.npos && shut != text.npos) {
            std::string number = text.substr(open + 1, shut - open - 1);
            CHECK((number == "-1" || number == fmt::format("{}", client.requests.at(answers))));
            CHECK((number == "-1" || answered.insert(number).second));
          }
          answers++;
        } else if (text.substr(at, 12) != "HTTP/1.1 100") {
          refusals++;
        }
      }
      m_answers += answers;
      bool has_closed = client.socket->is_closed || client.socket->fin_received || client.socket->reset_received;
      if (!client.has_ended && !has_closed)
        CHECK(answers == client.requests.size());
      CHECK(refusals <= 1);
      client.socket->reset_sent = true;
    }
    m_world.run();
    CHECK(m_workers.front().process->delivered_connections() == 0);
  }

  std::mt19937 m_random;
  World m_world;
  std::vector<Worker> m_workers;
  std::deque<Client> m_clients;
  int m_next_number = 1;
  size_t m_answers = 0;
};

}

TEST_CASE("requests are neither lost nor answered twice, in whatever order things happen")
{
  for (uint32_t cores : {1u, 2u, 3u}) {
    for (uint32_t seed = 1; seed <= 12; seed++) {
      CAPTURE(cores);
      CAPTURE(seed);
      Interleaving(seed * 3 + cores, cores).run(1500);
    }
  }
}
