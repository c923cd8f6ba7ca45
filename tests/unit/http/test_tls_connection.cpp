// SPDX-License-Identifier: GPL-3.0-or-later
// Client certificates on demand, as a worker sees them (http-server-api.md 2.6), with wolfSSL's client on the other end. Other
// peers are in tests/system.
#include "kernel/http/client_certificate.h"
#include "kernel/http/tls_bindings.h"
#include "kernel/queue/user_requests.h"
#include "tests/unit/support/service.h"
#include "tests/unit/support/tls_client.h"
#include "tests/unit/tls/pki.h"
#include "uapi/layout.h"
#include <set>

using namespace httpsys;
using namespace httpsys::test;

namespace {

constexpr std::string_view kGarbage("\x17\x03\x03\x00\x20garbage that is no TLS record at all", 41);

struct TlsService {
  explicit TlsService(const TlsClientOptions &options = {}, const http::Settings &settings = {}, bool serves_first = true)
      : world((tls::initialize_library(), 1u), settings), worker(world, 0), queue(worker.create_queue())
  {
    Endpoint any{IpAddress::any(false), 8443};
    bind_tls(tls::BindingTable::create({{any, tls::test::make_context()}}, {}));
    worker.serve(u"https://+:8443/", queue);
    client.emplace(world.connect(8443), options);
    for (int i = 0; serves_first && i < 10 && !client->connect(); i++)
      world.run();
  }
  ~TlsService() { bind_tls(nullptr); }

  void bind_tls(RefPtr<tls::BindingTable> table)
  {
    static RefPtr<tls::BindingTable> s_table;
    s_table = std::move(table);
    world.on(0, [] { http::set_tls_bindings(std::move(s_table)); });
    world.run();
  }
  void write(std::string_view text)
  {
    client->write(text);
    world.run();
  }
  std::string read()
  {
    std::string text;
    for (int i = 0; i < 8; i++) {
      text += client->read();
      world.run();
    }
    return text;
  }
  void get() { write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); }
  void post(size_t length, std::string_view body, const char *fields = "")
  {
    write(fmt::format("POST / HTTP/1.1\r\nHost: x\r\n{}Content-Length: {}\r\n\r\n{}", fields, length, body));
  }
  void receive()
  {
    uint32_t irp = worker.receive(queue);
    world.run();
    auto done = worker.take(irp);
    request = done.entry.object_id;
    connection = done.entry.aux;
    shown_certificate = (done.request().flags & HSYS_REQUEST_CLIENT_CERTIFICATE) != 0;
  }
  uint32_t ask(uint32_t flags = 0, uint32_t length = 8192)
  {
    uint32_t irp = worker.submit(Process::entry(HSYS_OP_RECEIVE_CERTIFICATE, queue, connection, flags, length));
    world.run();
    return irp;
  }
  NtStatus ask_now(uint32_t flags = 0, uint32_t length = 8192) { return worker.take(ask(flags, length)).status(); }
  uint32_t answer(std::string_view body = "ok")
  {
    uint32_t irp = worker.respond(queue, request, body);
    world.run();
    return irp;
  }
  std::string ends() { return client->socket().remote.to_string() + " -> " + client->socket().local.to_string(); }
  // One line says why there is none, and names the connection in the form that all lines have.
  void check_logged_once(const std::string &why, const char *name = "no SNI")
  {
    std::string line = fmt::format("{} ({}): no client certificate: {}", ends(), name, why);
    CHECK(std::ranges::count(world.log, line) == 1);
    CHECK(std::ranges::count_if(world.log, [](const std::string &text) { return text.find("no client certificate") != text.npos; }) == 1);
  }
  // The connection goes on: another request and its answer.
  bool still_serves()
  {
    read();
    get();
    receive();
    answer("again");
    return read().ends_with("again");
  }

  World world;
  Process worker;
  uint64_t queue;
  std::optional<TlsClient> client;
  uint64_t request = 0, connection = 0;
  bool shown_certificate = false;
};

}

TEST_CASE("a certificate on demand, then from memory, in every size of buffer")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    TlsService service({tls13});
    service.get();
    service.receive();
    CHECK_FALSE(service.shown_certificate);
    uint32_t call = service.ask(), second = service.ask(0, HSYS_NATIVE_CLIENT_CERT_INFO);
    CHECK_FALSE(service.worker.has(call));
    CHECK(service.read().empty());
    auto done = service.worker.take(call);
    CHECK(done.status() == NtStatus::Success);
    hsys_certificate head;
    std::memcpy(&head, done.output.data(), sizeof head);
    auto leaf = tls::test::pki_leaf("good");
    CHECK(head.data.length == leaf.size());
    CHECK(std::equal(leaf.begin(), leaf.end(), done.output.begin() + head.data.offset));
    CHECK(head.cert_flags == 0);
    CHECK(head.way == (tls13 ? HSYS_CERTIFICATE_POST_HANDSHAKE : HSYS_CERTIFICATE_RENEGOTIATION));
    auto exact = static_cast<uint32_t>(HSYS_NATIVE_CLIENT_CERT_INFO + leaf.size());
    CHECK(done.entry.information == exact);
    auto small = service.worker.take(second);
    CHECK(small.status() == NtStatus::BufferOverflow);
    CHECK(small.entry.information == HSYS_NATIVE_CLIENT_CERT_INFO);
    CHECK(small.entry.aux == leaf.size());
    CHECK(service.ask_now(0, exact - 1) == NtStatus::BufferOverflow);
    CHECK(service.ask_now(0, exact) == NtStatus::Success);
    CHECK(service.ask_now(0, HSYS_NATIVE_CLIENT_CERT_INFO - 1) == NtStatus::BufferTooSmall);
    CHECK(service.ask_now(HSYS_CERTIFICATE_FULL_CHAIN) == NtStatus::Success);
    auto token = service.worker.take(service.ask(HSYS_CERTIFICATE_CHANNEL_TOKEN, 152));
    CHECK(token.status() == NtStatus::Success);
    CHECK(token.entry.information == HSYS_NATIVE_CHANNEL_BIND_STATUS + token.output.size());
    service.answer();
    CHECK(service.still_serves());
    CHECK(service.shown_certificate);
  }
}

TEST_CASE("a client that has none or can't be asked, and goes on")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    {
      TlsService service({tls13, nullptr});
      service.get();
      service.receive();
      uint32_t call = service.ask();
      service.read();
      CHECK(service.worker.take(call).status() == NtStatus::NotFound);
      CHECK(service.ask_now() == NtStatus::NotFound);
      service.check_logged_once("the client was asked and sent no certificate");
      service.answer();
      CHECK(service.still_serves());
    }
    TlsService service({tls13, "good", false});
    service.get();
    service.receive();
    auto done = service.worker.take(service.ask());
    CHECK(done.status() == NtStatus::NotSupported);
    CHECK(service.ask_now() == NtStatus::NotSupported);
    service.check_logged_once(tls13 ? "the client speaks TLS 1.3 and did not offer post_handshake_auth" :
                                      "the client speaks TLS 1.2 and did not offer renegotiation_info");
    CHECK(done.reason().starts_with("no client certificate: the client speaks TLS 1."));
    service.answer();
    CHECK(service.still_serves());
  }
}

TEST_CASE("a body that comes before the answer is kept, and read afterwards")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    TlsService service({tls13});
    constexpr size_t kBytes = 4'000'000;
    service.post(kBytes, "");
    service.receive();
    uint32_t call = service.ask();
    // A client that sends everything before it reads anything.
    service.write(std::string(kBytes, 'x'));
    CHECK_FALSE(service.worker.has(call));
    CHECK(http::ClientCertificateExchange::kept_bytes_total() >= kBytes - 100'000);
    CHECK(service.client->socket().to_daemon.empty());
    service.read();
    CHECK(service.worker.take(call).status() == NtStatus::Success);
    CHECK(http::ClientCertificateExchange::kept_bytes_total() == 0);
    size_t got = 0;
    while (got < kBytes) {
      uint32_t read = service.worker.read_body(service.queue, service.request);
      service.world.run();
      auto done = service.worker.take(read);
      REQUIRE(done.status() == NtStatus::Success);
      got += done.output.size();
    }
    service.answer();
    CHECK(service.still_serves());
  }
}

TEST_CASE("past a limit the call fails, the request is answered, the connection ends")
{
  for (bool tls13 : {true, false}) {
    for (bool of_all : {true, false}) {
      for (bool is_body : {true, false}) {
        CAPTURE(tls13);
        CAPTURE(of_all);
        CAPTURE(is_body);
        http::Settings settings;
        (of_all ? settings.certificate_wait_body_bytes_total : settings.certificate_wait_body_bytes) = 500'000;
        TlsService service({tls13}, settings);
        if (is_body)
          service.post(1'000'000, "");
        else
          service.get();
        service.receive();
        uint32_t call = service.ask();
        // Pipelined requests are no better than a body.
        std::string bytes;
        while (bytes.size() < 1'000'000)
          bytes += is_body ? std::string(1000, 'x') : std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        service.write(bytes.substr(0, 400'000));
        CHECK_FALSE(service.worker.has(call));
        service.write(bytes.substr(400'000));
        auto done = service.worker.take(call);
        CHECK(done.status() == NtStatus::InsufficientResources);
        CHECK(done.reason().find(of_all ? "CertificateWaitBodyBytesTotal" : "CertificateWaitBodyBytes ") != std::string::npos);
        CHECK(done.reason().starts_with("no client certificate: "));
        uint32_t again = service.ask();
        service.write(std::string(1000, 'x'));
        if (service.worker.has(again))
          CHECK(service.worker.take(again).status() == NtStatus::InsufficientResources);
        service.check_logged_once(done.reason().substr(std::string("no client certificate: ").size()));
        CHECK(http::ClientCertificateExchange::kept_bytes_total() == 0);
        CHECK(service.client->socket().to_daemon.size() > 100'000); // back to the usual window
        uint32_t answer = service.answer();
        CHECK(service.worker.take(answer).status() == NtStatus::Success);
        CHECK(service.client->socket().fin_received);
        CHECK(service.read().find("HTTP/1.1 200 ") != std::string::npos);
      }
    }
  }
}

TEST_CASE("responses wait for the answer in TLS 1.2, not in TLS 1.3")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    TlsService service({tls13});
    service.get();
    service.receive();
    uint32_t call = service.ask(), answer = service.answer("hello");
    CHECK(service.worker.has(answer) == tls13);
    CHECK_FALSE(service.worker.has(call));
    CHECK(service.read().ends_with("hello"));
    CHECK(service.worker.take(call).status() == NtStatus::Success);
    CHECK(service.worker.take(answer).status() == NtStatus::Success);
    CHECK(service.still_serves());
  }
}

TEST_CASE("head and body share TLS records")
{
  struct Row {
    size_t body, records;
  };
  for (const Row &row : {Row{0, 1}, Row{2, 1}, Row{16000, 1}, Row{16384, 2}, Row{40000, 3}}) {
    CAPTURE(row.body);
    TlsService service;
    service.get();
    service.receive();
    service.client->socket().take(); // session tickets
    service.answer(std::string(row.body, 'x'));
    std::string sent = service.client->socket().take();
    size_t records = 0;
    for (size_t at = 0; at + 5 <= sent.size(); records++)
      at += 5 + static_cast<size_t>(static_cast<uint8_t>(sent[at + 3]) << 8 | static_cast<uint8_t>(sent[at + 4]));
    CHECK(records == row.records);
  }
}

TEST_CASE("100 Continue waits for the end of a renegotiation, and a call for the certificate sends none")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    TlsService service({tls13});
    service.post(3, "", "Expect: 100-continue\r\n");
    service.receive();
    uint32_t call = service.ask();
    uint32_t read = service.worker.read_body(service.queue, service.request);
    service.world.run();
    CHECK(service.read() == "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(service.worker.take(call).status() == NtStatus::Success);
    service.write("abc");
    CHECK(service.worker.take(read).entry.information == 3);
    service.answer();
    CHECK(service.still_serves());
    service.post(3, "", "Expect: 100-continue\r\n");
    service.receive();
    CHECK(service.ask_now() == NtStatus::Success);
    CHECK(service.read().empty());
    service.answer();
  }
}

TEST_CASE("a cancelled call leaves the others, and a late answer is kept for the next one")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    TlsService service({tls13});
    service.get();
    service.receive();
    uint32_t first = service.ask(), second = service.ask();
    service.worker.cancel(first);
    service.world.run();
    CHECK(service.worker.take(first).status() == NtStatus::Cancelled);
    CHECK_FALSE(service.worker.has(second));
    service.worker.cancel(second);
    service.world.run();
    CHECK(service.worker.take(second).status() == NtStatus::Cancelled);
    uint32_t answer = service.answer("hello");
    CHECK(service.worker.has(answer) == tls13);
    CHECK(service.read().ends_with("hello"));
    service.get();
    service.receive();
    CHECK(service.shown_certificate);
    CHECK(service.ask_now() == NtStatus::Success);
    service.answer();
    CHECK(service.still_serves());
  }
}

TEST_CASE("after a cancelled call the connection is idle again, and closed in its time")
{
  TlsService service({true});
  service.get();
  service.receive();
  service.answer();
  service.read();
  uint32_t call = service.ask();
  service.worker.cancel(call);
  service.world.run();
  CHECK(service.worker.take(call).status() == NtStatus::Cancelled);
  service.world.pass(limits::kIdleConnectionSeconds * 1000 + 20);
  CHECK(service.client->socket().fin_received);
}

TEST_CASE("a call that holds the connection on when its request is answered lets the request count until it ends")
{
  for (bool is_cancelled : {false, true}) {
    CAPTURE(is_cancelled);
    TlsService service({true});
    service.get();
    service.receive();
    uint32_t call = service.ask();
    service.answer();
    CHECK(queue::requests_of_users() == 1);
    if (is_cancelled)
      service.worker.cancel(call);
    service.world.run();
    service.read();
    CHECK(service.worker.take(call).status() == (is_cancelled ? NtStatus::Cancelled : NtStatus::Success));
    CHECK(queue::requests_of_users() == 0);
    CHECK(service.still_serves());
  }
}

TEST_CASE("an exchange that fails ends the connection and says so at once")
{
  for (bool tls13 : {true, false}) {
    for (int how = 0; how < 5; how++) {
      CAPTURE(tls13);
      CAPTURE(how);
      TlsService service({tls13});
      service.get();
      service.receive();
      uint32_t call = service.ask();
      uint32_t wait = service.worker.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, service.queue, service.connection));
      SimSocket &socket = service.client->socket();
      service.world.run();
      switch (how) {
      case 0: service.client->shutdown(); break;
      case 1: socket.fin_sent = true; break;
      case 2: socket.reset_sent = true; break;
      case 3: service.world.system.time += limits::kSslRenegotiationSeconds * 1000 + 20; break;
      case 4: socket.send(kGarbage); break;
      }
      service.world.run();
      auto done = service.worker.take(call);
      CHECK(done.status() == NtStatus::ConnectionInvalid);
      CHECK(done.reason().starts_with("no client certificate: "));
      if (how == 2)
        service.check_logged_once("the client reset the connection");
      if (how == 3)
        service.check_logged_once("the client did not answer the request for a certificate within 120 s (SslRenegotiation)");
      CHECK(service.worker.take(wait).status() == NtStatus::Success);
      uint32_t answer = service.answer();
      CHECK(service.worker.take(answer).status() == NtStatus::ConnectionInvalid);
      CHECK(service.ask_now() == NtStatus::ConnectionInvalid);
      CHECK((socket.fin_received || socket.reset_received));
      service.world.pass(limits::kLingerMilliseconds + 20);
      CHECK(socket.is_closed);
    }
  }
}

// What it does to who has asked and is served still, the case above shows.
TEST_CASE("a question that is not answered in time costs an application nothing whose request has come since")
{
  constexpr platform::Milliseconds kTime = limits::kSslRenegotiationSeconds * 1000;
  for (bool tls13 : {true, false})
    for (bool asks_too : {false, true}) {
      CAPTURE(tls13);
      CAPTURE(asks_too);
      TlsService service({tls13});
      Process other(service.world, 0, 1001);
      uint64_t queue = other.create_queue();
      other.serve(u"https://+:8443/b/", queue);
      service.get();
      service.receive();
      uint32_t call = service.ask();
      service.answer("one");
      service.write("GET /b/ HTTP/1.1\r\nHost: x\r\n\r\n"); // without a look at what has come
      uint32_t receive = other.receive(queue);
      service.world.run();
      if (!tls13) { // its response would come in the middle of the renegotiation, so the request waits behind the first one's
        service.world.pass(kTime + 20);
        CHECK(service.worker.take(call).status() == NtStatus::ConnectionInvalid);
        CHECK(service.client->socket().reset_received);
        continue;
      }
      uint64_t request = other.take(receive).entry.object_id;
      service.world.pass(kTime - 1000);
      uint32_t of_other = 0;
      if (asks_too)
        of_other = other.submit(Process::entry(HSYS_OP_RECEIVE_CERTIFICATE, queue, service.connection, 0, 8192));
      service.world.run();
      CHECK_FALSE(service.worker.has(call));
      service.world.pass(1020);
      auto done = service.worker.take(call);
      CHECK(done.status() == NtStatus::ConnectionInvalid);
      CHECK(done.reason().ends_with("did not answer the request for a certificate within 120 s (SslRenegotiation)"));
      if (asks_too) { // in a time of its own
        service.world.pass(kTime - 2000);
        CHECK_FALSE(other.has(of_other));
        service.world.pass(2040);
        CHECK(other.take(of_other).status() == NtStatus::ConnectionInvalid);
        CHECK(service.client->socket().reset_received);
        continue;
      }
      uint32_t answer = other.respond(queue, request, "two");
      service.world.run();
      CHECK(other.take(answer).status() == NtStatus::Success);
      // The client answers both it and the question, and what it has answered is known to who asks next.
      CHECK(service.read().ends_with("two"));
      service.get();
      service.receive();
      CHECK(service.shown_certificate);
      CHECK(service.ask_now() == NtStatus::Success);
      service.answer();
      CHECK(service.still_serves());
    }
}

TEST_CASE("a TLS failure is told to a client that goes on sending, and lingers for it")
{
  TlsService service;
  service.get();
  service.receive();
  SimSocket &socket = service.client->socket();
  socket.send(kGarbage);
  service.world.run();
  CHECK(socket.fin_received); // behind the alert
  CHECK_FALSE(socket.is_closed);
  CHECK_FALSE(socket.from_daemon.empty());
  socket.send(std::string(30'000, 'x'));
  service.world.run();
  CHECK(socket.to_daemon.empty()); // read and dropped: unread bytes would make the close a reset
  socket.fin_sent = true;
  service.world.run();
  CHECK(socket.is_closed);
  CHECK_FALSE(socket.reset_received);
  CHECK(service.world.has_logged(service.ends() + " (no SNI): TLS failed: "));
}

TEST_CASE("a handshake has its time, and one without a binding is refused")
{
  {
    TlsService service({}, {}, false);
    service.client->connect();
    service.world.run();
    service.world.pass(limits::kHandshakeSeconds * 1000 - 100);
    CHECK_FALSE(service.client->socket().is_closed);
    service.world.pass(120);
    CHECK(service.client->socket().is_closed);
    CHECK(service.world.has_logged(service.ends() + " (no SNI): closed, the time for the TLS handshake is over"));
  }
  TlsService service({}, {}, false);
  service.bind_tls(nullptr);
  service.client->connect();
  service.world.run();
  CHECK(service.client->socket().fin_received);
  CHECK(service.world.has_logged("no TLS record serves this address and name"));
}

TEST_CASE("a connection without TLS has no certificate, and the log says so once")
{
  World world(1);
  Process worker(world, 0);
  uint64_t queue = worker.create_queue();
  worker.serve(u"http://+:8080/", queue);
  auto client = world.connect(8080);
  client->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  uint32_t irp = worker.receive(queue);
  world.run();
  uint64_t connection = worker.take(irp).entry.aux;
  for (int i = 0; i < 2; i++) {
    uint32_t call = worker.submit(Process::entry(HSYS_OP_RECEIVE_CERTIFICATE, queue, connection, 0, 8192));
    world.run();
    CHECK(worker.take(call).status() == NtStatus::NotFound);
  }
  CHECK(std::ranges::count_if(world.log, [](const std::string &line) {
          return line.ends_with(" (no TLS): no client certificate: the connection is plain HTTP");
        }) == 1);
}

TEST_CASE("so many calls wait for one answer and no more, and all of them get it")
{
  constexpr size_t kMost = 1024;
  TlsService service({true});
  service.get();
  service.receive();
  std::vector<uint32_t> calls;
  while (calls.size() < kMost)
    calls.push_back(service.ask(0, HSYS_NATIVE_CLIENT_CERT_INFO));
  CHECK_FALSE(service.worker.has(calls.back()));
  for (int i = 0; i < 2; i++) {
    auto refused = service.worker.take(service.ask());
    CHECK(refused.status() == NtStatus::InsufficientResources);
    CHECK(refused.reason().find("1024 calls for it wait on this connection already") != std::string::npos);
  }
  service.check_logged_once("1024 calls for it wait on this connection already, as many as may (kCertificateCallsWaiting)");
  service.worker.cancel(calls.back());
  service.world.run();
  CHECK(service.worker.take(calls.back()).status() == NtStatus::Cancelled);
  calls.back() = service.ask(0, HSYS_NATIVE_CLIENT_CERT_INFO); // room again
  service.read();
  for (uint32_t call : calls)
    CHECK(service.worker.take(call).status() == NtStatus::BufferOverflow);
  CHECK(service.ask_now() == NtStatus::Success);
}

TEST_CASE("a response that a failed exchange cuts short does not end with close_notify")
{
  for (bool is_cut : {true, false}) {
    CAPTURE(is_cut);
    TlsService service;
    service.get();
    service.receive();
    // Without a length: the connection's end is the response's.
    uint32_t begun = service.worker.respond(service.queue, service.request, "the beginning", HSYS_SEND_MORE_DATA);
    service.world.run();
    CHECK(service.worker.take(begun).status() == NtStatus::Success);
    uint32_t call = is_cut ? service.ask() : 0;
    service.client->shutdown();
    uint32_t rest = service.worker.send_body(service.queue, service.request, "the rest");
    service.world.run();
    CHECK(service.worker.take(rest).status() == (is_cut ? NtStatus::ConnectionInvalid : NtStatus::Success));
    if (is_cut)
      CHECK(service.worker.take(call).status() == NtStatus::ConnectionInvalid);
    CHECK(service.read().ends_with(is_cut ? "the beginning" : "the beginningthe rest"));
    CHECK(service.client->socket().fin_received);
    CHECK(service.client->has_close_notify() == !is_cut);
  }
}

TEST_CASE("close_notify is a half-close: what was asked is answered, the disconnect is told")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    TlsService service({tls13});
    service.get();
    service.receive();
    uint32_t wait = service.worker.submit(Process::entry(HSYS_OP_WAIT_DISCONNECT, service.queue, service.connection));
    service.client->shutdown();
    service.world.run();
    CHECK(service.worker.take(wait).status() == NtStatus::Success);
    CHECK(service.ask_now() == NtStatus::ConnectionInvalid);
    uint32_t answer = service.answer();
    CHECK(service.worker.take(answer).status() == NtStatus::Success);
    CHECK(service.client->socket().fin_received);
  }
}

TEST_CASE("many handshakes at once have some steps in each turn, in their order, and who is secured is served meanwhile")
{
  constexpr size_t kEach = 16, kCount = 2 * kEach + 6;
  http::Settings settings;
  settings.handshake_steps_per_turn = kEach;
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    TlsService service({tls13}, settings);
    World &world = service.world;
    std::deque<TlsClient> clients;
    for (size_t i = 0; i < kCount; i++)
      clients.emplace_back(world.connect(8443), TlsClientOptions{tls13});
    world.run();
    uint32_t receive = service.worker.receive(service.queue);
    world.run();
    for (TlsClient &client : clients)
      client.connect();
    service.client->write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    auto answered = [&] {
      size_t count = 0;
      for (TlsClient &client : clients)
        count += !client.socket().from_daemon.empty();
      return count;
    };
    world.turn(0);
    CHECK(service.worker.has(receive));
    clients[kEach + 1].socket().reset_sent = true;
    world.turn(0); // what was to be sent is
    CHECK(answered() == kEach);
    CHECK_FALSE(clients[kEach - 1].socket().from_daemon.empty());
    world.turn(0);
    CHECK(answered() == 2 * kEach);
    CHECK_FALSE(clients[2 * kEach].socket().from_daemon.empty());
    world.run();
    CHECK(answered() == kCount - 1);
    for (size_t i = 0; i < kCount; i++) {
      if (i == kEach + 1)
        continue;
      bool is_done = false;
      for (int step = 0; step < 6 && !is_done; step++) {
        is_done = clients[i].connect();
        world.run();
      }
      CHECK(is_done);
    }
  }
}

TEST_CASE("a handshake that waits for its turn is forgotten when its connection ends, or its time is over")
{
  http::Settings settings;
  settings.handshake = 1000;
  settings.handshake_steps_per_turn = 16;
  TlsService service({}, settings);
  World &world = service.world;
  std::deque<TlsClient> clients;
  for (size_t i = 0; i < 4 * settings.handshake_steps_per_turn; i++)
    clients.emplace_back(world.connect(8443), TlsClientOptions{});
  world.run();
  for (TlsClient &client : clients)
    client.connect();
  world.turn(0);
  world.turn(0);
  world.system.time += settings.handshake + 8;
  world.turn(0);
  world.run();
  for (size_t i = 0; i < clients.size(); i++)
    CHECK(clients[i].socket().from_daemon.empty() == (i >= 2 * settings.handshake_steps_per_turn));
}

namespace {

// Clients that have all said hello, of whom a turn answers so many.
struct Hellos {
  Hellos(uint32_t each_turn, size_t count, platform::Milliseconds handshake = 30'000, bool tls13 = true)
      : service({tls13}, settings_with(each_turn, handshake))
  {
    for (size_t i = 0; i < count; i++)
      clients.emplace_back(service.world.connect(8443), TlsClientOptions{tls13});
    service.world.run();
    for (TlsClient &client : clients)
      client.connect();
  }
  bool is_answered(size_t client) { return !clients[client].socket().from_daemon.empty(); }
  // Those that have been answered, and have not read it.
  std::set<size_t> answered()
  {
    std::set<size_t> numbers;
    for (size_t i = 0; i < clients.size(); i++)
      if (is_answered(i))
        numbers.insert(i);
    return numbers;
  }
  static std::set<size_t> first(size_t count)
  {
    std::set<size_t> numbers;
    while (count-- > 0)
      numbers.insert(count);
    return numbers;
  }
  // What a step has to send arrives in the next turn.
  void turns(uint32_t count = 1)
  {
    while (count-- > 0)
      service.world.turn(0);
  }

  static http::Settings settings_with(uint32_t each_turn, platform::Milliseconds handshake)
  {
    http::Settings settings;
    settings.handshake = handshake;
    settings.handshake_steps_per_turn = each_turn;
    return settings;
  }

  TlsService service;
  std::deque<TlsClient> clients;
};

}

TEST_CASE("who has begun a handshake waits for no hello, and hellos do not wait for who has begun")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    Hellos hellos(4, 40, 30'000, tls13);
    hellos.turns(3); // the steps of the first twelve
    CHECK(hellos.answered() == Hellos::first(8));
    for (size_t i = 0; i < 8; i++)
      hellos.clients[i].connect(); // reads, and sends its second flight
    CHECK(hellos.answered().empty());
    hellos.turns(3);
    // Tickets or Finished of the eight that had begun, and four more hellos in each of the two turns that these had.
    CHECK(hellos.answered() == Hellos::first(20));
    hellos.turns();
    CHECK(hellos.answered() == Hellos::first(24));
    hellos.service.world.run();
  }
}

TEST_CASE("the answer to a question for a certificate waits for no hello")
{
  for (bool tls13 : {true, false}) {
    CAPTURE(tls13);
    TlsService service({tls13, "good"}, Hellos::settings_with(4, 30'000));
    service.get();
    service.receive();
    uint32_t call = service.ask();
    std::deque<TlsClient> clients;
    for (size_t i = 0; i < 40; i++)
      clients.emplace_back(service.world.connect(8443), TlsClientOptions{tls13});
    service.world.run();
    for (TlsClient &client : clients)
      client.connect();
    service.world.turn(0);
    for (int step = 0; step < 4 && !service.worker.has(call); step++) { // TLS 1.2 needs two rounds
      service.client->read();
      service.world.turn(0);
      service.world.turn(0);
    }
    CHECK(service.worker.take(call).status() == NtStatus::Success);
    CHECK(clients.back().socket().from_daemon.empty());
    service.world.run();
  }
}

TEST_CASE("when hellos wait so long that no time is left for the rest of a handshake, the newest go first")
{
  Hellos hellos(4, 40, 1000);
  hellos.turns();
  hellos.service.world.system.time += 1000 / limits::kHelloPatiencePart + 1;
  hellos.turns(2);
  CHECK(hellos.answered() == std::set<size_t>{0, 1, 2, 3, 36, 37, 38, 39});
  hellos.service.world.run();
  CHECK(hellos.answered() == Hellos::first(40)); // all the same
}

TEST_CASE("who says hello and goes has no place among those that wait; who has begun and sends no more has")
{
  Hellos hellos(1, 4);
  hellos.clients[2].socket().fin_sent = true;
  hellos.turns(2);
  CHECK(hellos.clients[2].socket().is_closed);
  CHECK(hellos.service.world.has_logged("the client closed the connection in the handshake"));
  hellos.service.world.run();
  CHECK(hellos.answered() == std::set<size_t>{0, 1, 3});
  for (size_t i : {0, 1, 3}) {
    hellos.clients[i].connect();
    hellos.clients[i].socket().fin_sent = true;
  }
  hellos.service.world.run();
  CHECK(hellos.answered() == std::set<size_t>{0, 1, 3});
}
