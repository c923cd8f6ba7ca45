// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/net/listener_set.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include <algorithm>
#include <iterator>
#include <list>
#include <memory>
#include <utility>

namespace httpsys::net {

// One listening socket. The kernel keeps the socket alive while an accept is in flight, so closing waits for the
// cancelled accept to come back.
class ListenerSet::Listener final : public RefCounted<Listener>,
                                    public ListLink<Listener, OfWaiting>,
                                    public ListLink<Listener, OfMany>,
                                    platform::IoOperation,
                                    ke::Timer {
public:
  // The object holds itself until its socket is closed.
  Listener(ListenerSet &set, uint16_t port, int socket)
    : m_set(set), m_port(port), m_socket(socket), m_outage([this](auto time) { log_end(time); })
  {
    ref();
    m_set.m_listeners++;
  }

  uint16_t port() const { return m_port; }
  int socket() const { return m_socket; }

  // Once, of those that do not accept yet.
  void begin()
  {
    if (!std::exchange(m_has_begun, true))
      start();
  }
  // Of those that wait: there is a place for it.
  void take_place()
  {
    if (m_kept.empty()) {
      m_has_promise = true;
      m_set.m_promised++;
      return accept();
    }
    m_set.take_over(take_kept());
    if (!m_kept.empty())
      m_set.waits(*this);
    else if (!is_in_flight())
      start();
  }

  void close(std::function<void()> closed)
  {
    m_closed = std::move(closed);
    m_closing = true;
    m_outage.stop();
    m_set.waits_no_more(*this);
    takes_many_no_more();
    while (!m_kept.empty())
      m_set.close_later(take_kept());
    if (is_in_flight()) {
      ke::Core::current().io().cancel(*this);
      return;
    }
    ke::Core::current().timers().cancel(*this);
    finish();
  }

  // Its accept brings no more than those that have come; from then on one by one.
  void take_back()
  {
    takes_many_no_more();
    ke::Core::current().io().cancel(*this);
  }

private:
  using TakesMany = ListLink<Listener, OfMany>;
  friend class RefCounted<Listener>;
  friend class ListenerSet;
  ~Listener() = default;

  // Where there is no place it is looked whether anybody wants one.
  void start()
  {
    m_polls = m_set.must_wait();
    if (m_polls)
      ke::Core::current().io().poll_one(m_socket, *this);
    else
      accept();
  }

  void accept()
  {
    if (m_set.is_nearly_full())
      return ke::Core::current().io().accept_one(m_socket, *this);
    m_set.m_take_many.append(*this);
    ke::Core::current().io().accept_multishot(m_socket, *this);
  }

  void takes_many_no_more()
  {
    if (TakesMany::is_linked())
      m_set.m_take_many.remove(*this);
  }

  void on_complete(const platform::IoResult &result) override
  {
    if (std::exchange(m_polls, false))
      return on_polled(result.status);
    if (!result.more)
      takes_many_no_more();
    bool had_promise = std::exchange(m_has_promise, false);
    m_set.m_promised -= had_promise;
    if (is_success(result.status)) {
      receive(static_cast<int>(result.value), had_promise);
      m_set.take_back_nearly_full();
    }
    if (had_promise && (m_closing || !is_success(result.status)))
      m_set.note_descriptor_free(); // the place is another's
    if (result.more)
      return;
    if (m_closing) {
      finish();
    } else if (!m_kept.empty()) {
      // The last of these that gets its place goes on.
    } else if (is_success(result.status) || result.status == NtStatus::Cancelled) {
      start();
    } else {
      if (result.status == NtStatus::TooManyOpenedFiles)
        m_set.m_relief.accept_failed();
      if (m_outage.fails())
        log("accept on {} fails ({}); it is tried again every {} ms", address_text(), status_name(result.status),
            limits::kAcceptRetryMilliseconds);
      retry_later();
    }
  }

  // When its accept began there may have been a place for it that another has by now.
  void receive(int socket, bool has_place)
  {
    if (m_closing)
      platform::system().close(socket);
    else if (has_place || !m_set.must_wait())
      m_set.take_over(socket);
    else
      keep(socket);
  }

  void keep(int socket)
  {
    m_set.m_kept_beyond += !m_kept.empty();
    m_kept.push_back(socket);
    if (!m_waits_as)
      m_set.waits(*this);
  }

  int take_kept()
  {
    int socket = m_kept.front();
    m_kept.pop_front();
    m_set.m_kept_beyond -= !m_kept.empty();
    return socket;
  }

  void on_polled(NtStatus status)
  {
    if (m_closing)
      finish();
    else if (!is_success(status))
      retry_later();
    else if (m_set.must_wait())
      m_set.waits(*this);
    else
      accept();
  }

  void retry_later()
  {
    ke::Core::current().timers().set(*this, ke::Core::current().now() + limits::kAcceptRetryMilliseconds);
  }

  void on_timer() override
  {
    m_outage.works_again();
    start();
  }

  void log_end(platform::Milliseconds time) const
  {
    log("{} accepts again after {:.1f} s", address_text(), static_cast<double>(time) / 1000);
  }

  std::string address_text() const
  {
    auto endpoint = platform::system().local_endpoint(m_socket);
    return endpoint ? endpoint->to_string() : "?";
  }

  void finish()
  {
    platform::system().close(m_socket);
    m_set.m_listeners--;
    m_set.note_descriptor_free();
    auto closed = std::move(m_closed);
    unref();
    closed();
  }

  ListenerSet &m_set;
  uint16_t m_port;
  int m_socket;
  Payer *m_waits_as = nullptr; // in whose list it waits
  bool m_has_begun = false;
  bool m_closing = false;
  bool m_polls = false;       // in flight is no accept, since there is no place
  bool m_has_promise = false; // the accept in flight has its place
  std::list<int> m_kept;      // accepted, without a place yet: meanwhile no accept begins
  std::function<void()> m_closed;
  ke::Outage m_outage;
};

ListenerSet::ListenerSet()
    : m_full([](auto time) { log("connections are accepted again after {:.1f} s", static_cast<double>(time) / 1000); }),
      m_relief([] { return instance().connections_allowed(); })
{
}

// What is left at the process's end is forgotten.
ListenerSet::~ListenerSet()
{
  while (!m_turns.is_empty())
    next_waiting();
}

ListenerSet &ListenerSet::instance()
{
  static ListenerSet set;
  return set;
}

void ListenerSet::start(void (*accepted)(int socket), uint64_t descriptors, uint64_t most)
{
  m_accepted = accepted;
  m_descriptors = descriptors;
  m_most = most;
  m_wants_resume = false;
  m_is_closed = false;
  m_next_core = 0;
  m_accepted_sockets.clear();
  m_sockets_to_close.clear();
  m_relief.start();
}

// Sockets of other addresses that are bound already stay where they are.
NtStatus ListenerSet::listen(Listeners &listeners, uint16_t port, Scope scope, std::span<const int> beside)
{
  for (bool v6 : {false, true}) {
    IpAddress address = scope == Scope::Loopback ? IpAddress::loopback(v6) : IpAddress::any(v6);
    auto socket = platform::system().listen_tcp({address, port}, beside);
    // A machine without IPv6 serves IPv4 alone.
    if (socket.is_error() && v6 && socket.error() == NtStatus::InvalidAddressComponent)
      continue;
    if (socket.is_error()) {
      for (auto &listener : std::exchange(listeners, {}))
        listener->close([] {});
      return socket.error();
    }
    listeners.push_back(RefPtr<Listener>::adopt(new Listener(instance(), port, *socket)));
  }
  return NtStatus::Success;
}

void ListenerSet::close_listeners(Listeners listeners, std::function<void()> closed)
{
  auto waiting = std::make_shared<size_t>(listeners.size());
  if (*waiting == 0)
    return closed();
  for (auto &listener : listeners) {
    listener->close([waiting, closed] {
      if (--*waiting == 0)
        closed();
    });
  }
}

ListenerSet::Listeners ListenerSet::Port::all() const
{
  Listeners both = loopback;
  both.insert(both.end(), everywhere.begin(), everywhere.end());
  return both;
}

NtStatus ListenerSet::open(uint16_t number, Scope scope)
{
  if (m_is_closed)
    return NtStatus::Cancelled;
  auto found = m_ports.find(number);
  Port port = found == m_ports.end() ? Port() : found->second;
  bool is_new = port.loopback.empty(), widens = scope == Scope::Everywhere && port.everywhere.empty();
  NtStatus status = is_new ? listen(port.loopback, number, Scope::Loopback, {}) : NtStatus::Success;
  if (is_success(status) && widens) {
    std::vector<int> beside;
    for (const auto &listener : port.loopback)
      beside.push_back(listener->socket());
    status = listen(port.everywhere, number, scope, beside);
    if (!is_success(status) && is_new)
      close_listeners(std::move(port.loopback), [] {});
  }
  if (!is_success(status) || (!is_new && !widens))
    return status;
  m_ports[number] = std::move(port);
  m_new_ports.push_back(number);
  return status;
}

void ListenerSet::narrow(uint16_t port, std::function<void()> done)
{
  auto found = m_ports.find(port);
  close_listeners(found == m_ports.end() ? Listeners() : std::exchange(found->second.everywhere, {}), std::move(done));
}

// Those who wait already keep their turns.
void ListenerSet::set_payer(uint16_t port, uint32_t uid)
{
  if (auto found = m_ports.find(port); found != m_ports.end())
    found->second.payer = uid;
}

void ListenerSet::accept_on_new_ports()
{
  for (uint16_t port : std::exchange(m_new_ports, {}))
    for (const auto &listener : m_ports.at(port).all())
      listener->begin();
  take_back_nearly_full(); // whose backlogs count, too
}

void ListenerSet::close(uint16_t port, std::function<void()> done)
{
  auto found = m_ports.find(port);
  if (found == m_ports.end())
    return done();
  Listeners closing = found->second.all();
  m_ports.erase(found);
  std::erase(m_new_ports, port);
  close_listeners(std::move(closing), std::move(done));
}

void ListenerSet::close_all(std::function<void()> done)
{
  m_is_closed = true;
  m_full.stop();
  m_relief.stop();
  m_new_ports.clear();
  Listeners closing;
  for (auto &[number, port] : std::exchange(m_ports, {}))
    std::ranges::move(port.all(), std::back_inserter(closing));
  close_listeners(std::move(closing), std::move(done));
}

size_t ListenerSet::descriptor_count() const
{
  size_t count = 0;
  for (auto &[number, port] : m_ports)
    count += port.loopback.size() + port.everywhere.size();
  return count;
}

// A listener may accept one more when another has taken the last, and keeps it: that is why it counts twice.
uint64_t ListenerSet::descriptors_allow() const
{
  uint64_t left = m_descriptors - std::min(m_descriptors, 2 * m_listeners + m_kept_beyond + m_sockets_to_close.size());
  return std::max(left, m_descriptors / limits::kPortsPart);
}

uint64_t ListenerSet::connections_allowed() const
{
  return std::min(descriptors_allow(), m_most);
}

// The backlogs alone might fill it, before anything of that is known here.
bool ListenerSet::is_nearly_full() const
{
  return connection_count() + m_listeners * limits::kListenBacklog >= connections_allowed();
}

// Also of those to whom nobody comes yet: they would bring their backlogs when the last place has gone. Few, or it would be so always.
void ListenerSet::take_back_nearly_full()
{
  while (!m_take_many.is_empty() && is_nearly_full())
    m_take_many.first()->take_back();
}

bool ListenerSet::must_wait()
{
  // Nobody comes before those who wait already.
  auto is_free = [this] { return !is_full() && m_turns.is_empty(); };
  if (is_free())
    return false;
  // Before looking again: whoever closes counts down first and looks at this then.
  m_wants_resume = true;
  if (is_free())
    return false;
  if (is_full() && m_full.fails())
    log("{} connections are open, as many as {}: who comes now waits until an idle one makes room, or one ends", connection_count(),
        m_most <= descriptors_allow() ? "MaxConnections in httpsys.toml or the memory allows"
                                      : "the limit of descriptors (RLIMIT_NOFILE) allows beside those kept for sessions");
  return true;
}

void ListenerSet::waits(Listener &listener)
{
  auto port = m_ports.find(listener.port());
  uint32_t uid = port == m_ports.end() ? 0 : port->second.payer;
  Payer &payer = m_payers[uid];
  payer.uid = uid;
  if (payer.waiting.is_empty())
    m_turns.append(payer);
  payer.waiting.append(listener);
  listener.m_waits_as = &payer;
  if (is_full()) // otherwise its turn is about to come
    m_relief.somebody_waits();
}

void ListenerSet::waits_no_more(Listener &listener)
{
  Payer *payer = std::exchange(listener.m_waits_as, nullptr);
  if (!payer)
    return;
  payer->waiting.remove(listener);
  if (!payer->waiting.is_empty())
    return;
  m_turns.remove(*payer);
  m_payers.erase(payer->uid);
}

// Of the user whose turn it is, who comes behind the others then, the one that has waited longest.
ListenerSet::Listener &ListenerSet::next_waiting()
{
  Payer &payer = *m_turns.take_first();
  m_turns.append(payer);
  Listener &listener = *payer.waiting.first();
  waits_no_more(listener);
  return listener;
}

void ListenerSet::close_connection(int socket, bool makes_room)
{
  platform::system().close(socket);
  VERIFY(m_connections.fetch_sub(1) > 0);
  note_descriptor_free();
  if (makes_room)
    m_relief.note_answer();
}

void ListenerSet::note_descriptor_free()
{
  if (m_wants_resume && m_wants_resume.exchange(false))
    ke::Cores::instance().post(0, [this] { resume(); });
}

void ListenerSet::resume()
{
  if (m_is_closed)
    return;
  m_wants_resume = true; // before looking, as above
  if (connection_count() < connections_allowed())
    m_full.works_again();
  while (!m_turns.is_empty() && !is_full())
    next_waiting().take_place();
  take_back_nearly_full();
  if (!m_turns.is_empty())
    return m_relief.somebody_waits();
  m_relief.nobody_waits(); // as far as is known: who does is seen by the next poll
  if (!is_full())
    m_wants_resume = false;
}

void ListenerSet::take_over(int socket)
{
  m_connections.fetch_add(1);
  if (!has_work() && take())
    return hand_on(socket);
  // A backlog that is full is told of at once.
  m_accepted_sockets.push_back(socket);
  work_later();
}

// It may be one of a whole backlog. Until it is closed it counts with the descriptors, no more with its listener.
void ListenerSet::close_later(int socket)
{
  m_sockets_to_close.push_back(socket);
  work_later();
}

void ListenerSet::work_later()
{
  if (!Poller::is_linked())
    ke::Core::current().add_poller(*this);
}

bool ListenerSet::take()
{
  ke::Core::current().request_flush(*this);
  return m_slice.take();
}

static int take_first(std::deque<int> &sockets)
{
  int first = sockets.front();
  sockets.pop_front();
  return first;
}

// One of each list in a step, so that neither waits until the other is empty.
bool ListenerSet::poll()
{
  bool worked = false;
  while (has_work() && take()) {
    worked = true;
    if (!m_sockets_to_close.empty()) {
      platform::system().close(take_first(m_sockets_to_close));
      note_descriptor_free();
    }
    if (m_accepted_sockets.empty())
      continue;
    int socket = take_first(m_accepted_sockets);
    if (m_is_closed)
      close_connection(socket);
    else
      hand_on(socket);
  }
  if (!has_work())
    ke::Core::current().remove_poller(*this);
  return worked;
}

void ListenerSet::hand_on(int socket)
{
  ke::CoreId core = m_next_core;
  m_next_core = (m_next_core + 1) % ke::Cores::instance().count();
  ke::Cores::instance().run_on(core, [accepted = m_accepted, socket] { accepted(socket); });
}

}
