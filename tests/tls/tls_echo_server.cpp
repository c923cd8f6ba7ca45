// SPDX-License-Identifier: GPL-3.0-or-later
// A small server around kernel/tls for tests with real peers: one thread, poll, loopback. It prints "port N", then one line per event.
// A request is a line "/command [argument]" or an HTTP/1.1 request for that path (with Content-Length, if it has a body); requests of one
// connection are answered in order. The end of its standard input ends it. Commands:
//   /plain, /echo TEXT, /big BYTES   data
//   /whoami                          asks for the certificate and tells what came of it
//   /ask                             asks, tells only what ask_certificate() said, and does not wait
//   /known                           what is known without asking
//   /token                           the channel binding, hex
//   /facts                           what was negotiated
//   /close                           close_notify and end
#include "kernel/tls/binding_table.h"
#include "kernel/tls/tls_stream.h"
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <list>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::tls;

namespace {

[[noreturn]] void die(const std::string &text)
{
  fmt::print(stderr, "tls_echo_server: {}\n", text);
  exit(1);
}

void say(const std::string &text)
{
  fmt::print("{}\n", text);
  fflush(stdout);
}

std::string read_file(const std::string &path)
{
  std::ifstream file(path, std::ios::binary);
  if (!file.good())
    die("cannot read " + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string hex(std::span<const uint8_t> bytes)
{
  std::string text;
  for (uint8_t byte : bytes)
    text += fmt::format("{:02x}", byte);
  return text;
}

class Connection {
public:
  Connection(int fd, RefPtr<BindingTable> table, Endpoint local)
    : m_fd(fd)
    , m_stream([table, local](std::string_view name) { return table->find(local, name); })
  {
  }
  ~Connection() { close(m_fd); }
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  short events() const
  {
    bool reads = m_lingers || (!m_ended && m_stream.wants_input());
    return static_cast<short>((reads ? POLLIN : 0) | (m_stream.output().empty() ? 0 : POLLOUT));
  }
  int fd() const { return m_fd; }
  // False: it is over.
  bool handle(short ready);

private:
  struct Request {
    std::string command, argument;
    bool is_http = false;
    size_t body = 0;
  };
  bool read_socket();
  void work();
  void read_plain();
  bool handle_event();
  void report();
  bool take_request();
  void parse_request(const std::string &head);
  void run();
  void answer(const std::string &text);
  std::string certificate_text() const;
  std::string facts_text() const;
  void flush_plain();

  int m_fd;
  TlsStream m_stream;
  std::string m_plain_in, m_plain_out;
  Request m_request;
  size_t m_body_left = 0; // bytes of the last request's body that have not been thrown away
  bool m_has_request = false, m_waits = false, m_ended = false, m_lingers = false, m_closes = false, m_reported = false;
};

bool Connection::handle(short ready)
{
  if (m_lingers) { // read and drop until the peer closes
    char buffer[4096];
    return recv(m_fd, buffer, sizeof buffer, 0) > 0;
  }
  if ((ready & (POLLIN | POLLHUP | POLLERR)) && !m_ended && !read_socket())
    return false;
  work();
  while (!m_stream.output().empty()) {
    ssize_t sent = send(m_fd, m_stream.output().data(), m_stream.output().size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
      return true;
    if (sent < 0)
      return false;
    m_stream.consume_output(static_cast<size_t>(sent));
    work(); // room for more
  }
  bool over = m_stream.state() == TlsStream::State::Failed || m_closes ||
              (m_stream.state() == TlsStream::State::PeerClosed && m_plain_out.empty());
  if (over) {
    ::shutdown(m_fd, SHUT_WR);
    m_lingers = true;
  }
  return true;
}

bool Connection::read_socket()
{
  uint8_t buffer[16384];
  ssize_t count = recv(m_fd, buffer, sizeof buffer, 0);
  if (count < 0 && errno == EAGAIN)
    return true;
  if (count <= 0) { // a reset ends the stream like a FIN
    m_ended = true;
    m_stream.receive_eof();
  } else {
    m_stream.receive({buffer, static_cast<size_t>(count)});
  }
  return true;
}

void Connection::work()
{
  bool was_open = m_stream.state() == TlsStream::State::Open;
  m_stream.advance();
  if (!was_open && m_stream.state() == TlsStream::State::Open)
    say("open " + facts_text());
  do {
    read_plain();
    handle_event();
    while (!m_waits && !m_closes && take_request())
      run();
    read_plain(); // ask_certificate() wants it
  } while (handle_event());
  flush_plain();
  report();
}

bool Connection::handle_event()
{
  auto event = m_stream.take_event();
  if (event) {
    const char *names[] = {"certificate", "none", "failed"};
    say(fmt::format("event {} {}", names[static_cast<int>(event->outcome)], event->reason));
    if (m_waits)
      answer(event->outcome == TlsStream::Outcome::Certificate ? certificate_text() : "none: " + event->reason);
    m_waits = false;
  }
  return event.has_value();
}

void Connection::report()
{
  if (m_stream.state() == TlsStream::State::Failed && !m_reported) {
    const TlsStream::Failure &failure = m_stream.failure();
    say(fmt::format("failed {} [sent {}] [received {}]", failure.reason, failure.alert_sent ? std::to_string(*failure.alert_sent) : "-",
                    failure.alert_received ? std::to_string(*failure.alert_received) : "-"));
    m_reported = true;
  }
  if (m_stream.state() == TlsStream::State::PeerClosed && !m_reported) {
    say(m_stream.is_truncated() ? "closed truncated" : "closed");
    m_reported = true;
  }
}

void Connection::read_plain()
{
  uint8_t buffer[5000]; // less than a record, so that one is read in parts
  while (size_t count = m_stream.read(buffer))
    m_plain_in.append(reinterpret_cast<char *>(buffer), count);
}

bool Connection::take_request()
{
  if (!m_has_request) {
    size_t skipped = std::min(m_body_left, m_plain_in.size()); // the body of a POST is not looked at
    m_plain_in.erase(0, skipped);
    m_body_left -= skipped;
    size_t end = m_plain_in.find('\n');
    if (end == std::string::npos)
      return false;
    std::string head = m_plain_in.substr(0, end);
    bool is_http = head.find(" HTTP/1.") != std::string::npos;
    if (is_http) {
      end = m_plain_in.find("\r\n\r\n");
      if (end == std::string::npos)
        return false;
      head = m_plain_in.substr(0, end);
      end += 3;
    }
    m_plain_in.erase(0, end + 1);
    parse_request(head);
    m_request.is_http = is_http;
    m_has_request = true;
    return m_request.command != "";
  }
  return false;
}

void Connection::parse_request(const std::string &head)
{
  m_request = Request{};
  size_t start = head.find('/');
  size_t line = std::min(head.find('\r'), head.size());
  if (start == std::string::npos)
    start = line;
  std::string text = head.substr(start, line - start);
  size_t space = text.find_first_of(" ?");
  m_request.command = text.substr(0, space);
  m_request.argument = space == std::string::npos ? "" : text.substr(space + 1);
  size_t length = head.find("Content-Length: ");
  if (length != std::string::npos)
    m_request.body = strtoul(head.c_str() + length + 16, nullptr, 10);
}

void Connection::run()
{
  const std::string &command = m_request.command;
  if (command == "/whoami" || command == "/ask") {
    TlsStream::AskAnswer said = m_stream.ask_certificate();
    const char *names[] = {"known", "absent", "cannot", "started"};
    if (command == "/ask") {
      answer(fmt::format("{} {}", names[static_cast<int>(said.ask)], said.reason));
    } else if (said.ask == TlsStream::Ask::Started) {
      m_waits = true;
    } else {
      answer(said.ask == TlsStream::Ask::AlreadyKnown ? "again " + certificate_text() :
                                                        fmt::format("{}: {}", names[static_cast<int>(said.ask)], said.reason));
    }
  } else if (command == "/known") {
    answer(m_stream.client_certificate() ? certificate_text() : "nothing");
  } else if (command == "/token") {
    answer(hex(m_stream.context()->endpoint_binding()));
  } else if (command == "/facts") {
    answer(facts_text());
  } else if (command == "/big") {
    answer(std::string(strtoul(m_request.argument.c_str(), nullptr, 10), 'x'));
  } else if (command == "/close") {
    flush_plain();
    m_stream.shutdown();
    m_closes = true;
  } else {
    answer(command == "/echo" ? m_request.argument : "plain");
  }
}

void Connection::answer(const std::string &text)
{
  if (m_request.is_http) {
    std::string body = text + '\n';
    m_plain_out += fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
  } else {
    m_plain_out += text + '\n';
  }
  m_body_left = m_request.body;
  m_has_request = false;
}

std::string Connection::certificate_text() const
{
  const ClientCertificate &certificate = *m_stream.client_certificate();
  const char *origins[] = {"handshake", "post-handshake", "renegotiation"};
  std::string chain;
  for (const Der &der : certificate.chain)
    chain += " <" + certificate_subject(der) + '>';
  return fmt::format("certificate flags={:08x} origin={} subject=<{}> chain={}{} reason=<{}>", certificate.flags,
                     origins[static_cast<int>(certificate.origin)], certificate_subject(certificate.leaf), certificate.chain.size(), chain,
                     certificate.reason);
}

std::string Connection::facts_text() const
{
  const ConnectionFacts &facts = m_stream.facts();
  return fmt::format("protocol={:x} suite={} bits={} group={} resumed={} alpn={} sni={}", facts.protocol, facts.cipher_suite_name,
                     facts.cipher_strength, facts.group, facts.resumed ? 1 : 0, m_stream.application_protocol(), m_stream.server_name());
}

void Connection::flush_plain()
{
  size_t done = 0;
  while (size_t count = m_stream.write({reinterpret_cast<const uint8_t *>(m_plain_out.data()) + done, m_plain_out.size() - done}))
    done += count;
  m_plain_out.erase(0, done);
}

RefPtr<TlsContext> make_context(const ContextSettings &settings)
{
  std::string reason;
  auto context = TlsContext::create(settings, reason);
  if (context.is_error())
    die(reason);
  return context.value();
}

// Options: --cert FILE --key FILE --ca FILE --crl FILE --ask --no-tls13 --limit BYTES --identity TEXT; --name HOST takes the certificate
// and key that follow it; --no-default serves names only.
RefPtr<BindingTable> parse_options(int argc, char **argv, Endpoint local)
{
  ContextSettings settings;
  settings.identity = local.to_string();
  std::vector<BindingTable::NameRecord> names;
  std::string name;
  bool has_default = true;
  for (int i = 1; i < argc; i++) {
    std::string option = argv[i];
    auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : (die(option + " needs a value"), ""); };
    if (option == "--cert")
      settings.certificate_chain_pem = read_file(value());
    else if (option == "--key")
      settings.private_key_pem = read_file(value());
    else if (option == "--ca")
      settings.authorities_pem += read_file(value());
    else if (option == "--crl")
      settings.revocations_pem += read_file(value());
    else if (option == "--ask")
      settings.ask_in_handshake = true;
    else if (option == "--no-tls13")
      settings.disable_tls13 = true;
    else if (option == "--limit")
      settings.max_client_certificate_bytes = static_cast<uint32_t>(strtoul(value().c_str(), nullptr, 10));
    else if (option == "--no-default")
      has_default = false;
    else if (option == "--name") { // everything so far, with another certificate
      ContextSettings named = settings;
      name = value();
      named.certificate_chain_pem = read_file(value());
      named.private_key_pem = read_file(value());
      named.identity = name;
      names.push_back({name, local.port, make_context(named)});
    } else {
      die("unknown option " + option);
    }
  }
  std::vector<BindingTable::AddressRecord> addresses;
  if (has_default)
    addresses.push_back({{IpAddress::any(false), local.port}, make_context(settings)});
  return BindingTable::create(std::move(addresses), std::move(names));
}

int open_listener(uint16_t &port)
{
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr *>(&address), size) != 0 || listen(fd, 64) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size) != 0)
    die("cannot listen");
  port = ntohs(address.sin_port);
  return fd;
}

void serve(int listener, const RefPtr<BindingTable> &table, Endpoint local)
{
  std::list<Connection> connections;
  while (true) {
    std::vector<pollfd> polls{{listener, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (const Connection &connection : connections)
      polls.push_back({connection.fd(), connection.events(), 0});
    if (poll(polls.data(), polls.size(), -1) < 0)
      die("poll");
    if (polls[1].revents) // whoever started it has gone, or wants it to end by return so that a leak checker sees everything freed
      return;
    size_t index = 2;
    for (auto connection = connections.begin(); connection != connections.end(); index++) {
      auto current = connection++;
      if (polls[index].revents && !current->handle(polls[index].revents))
        connections.erase(current);
    }
    if (!polls[0].revents)
      continue;
    int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int on = 1;
    if (fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0)
      connections.emplace_back(fd, table, local);
  }
}

}

int main(int argc, char **argv)
{
  signal(SIGPIPE, SIG_IGN);
  Endpoint local{IpAddress::loopback(false), 0};
  int listener = open_listener(local.port);
  RefPtr<BindingTable> table = parse_options(argc, argv, local);
  say(fmt::format("port {}", local.port));
  serve(listener, table, local);
  close(listener);
}
