// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/net/listener_set.h"
#include "kernel/base/log.h"
#include "kernel/limits.h"
#include <memory>

namespace httpsys::net {

// One listening socket. The kernel keeps the socket alive while an accept is in flight, so closing waits for the
// cancelled accept to come back.
class ListenerSet::Listener final : public RefCounted<Listener>, platform::IoOperation, ke::Timer {
public:
  // The object holds itself until its socket is closed.
  Listener(ListenerSet &set, int socket) : m_set(set), m_socket(socket) { ref(); }

  void start() { ke::Core::current().io().accept_multishot(m_socket, *this); }

  void close(std::function<void()> closed)
  {
    m_closed = std::move(closed);
    m_closing = true;
    if (is_in_flight()) {
      ke::Core::current().io().cancel(*this);
      return;
    }
    ke::Core::current().timers().cancel(*this);
    finish();
  }

private:
  friend class RefCounted<Listener>;
  ~Listener() = default;

  void on_complete(const platform::IoResult &result) override
  {
    if (is_success(result.status)) {
      if (m_closing)
        platform::system().close(static_cast<int>(result.value));
      else
        m_set.hand_on(static_cast<int>(result.value));
    }
    if (result.more)
      return;
    if (m_closing) {
      finish();
    } else if (is_success(result.status)) {
      ke::Core::current().io().accept_multishot(m_socket, *this);
    } else {
      log("accept on port {} failed ({}); trying again in {} ms", port_text(), status_name(result.status),
          limits::kAcceptRetryMilliseconds);
      ke::Core::current().timers().set(*this, ke::Core::current().now() + limits::kAcceptRetryMilliseconds);
    }
  }

  void on_timer() override { ke::Core::current().io().accept_multishot(m_socket, *this); }

  std::string port_text() const
  {
    auto endpoint = platform::system().local_endpoint(m_socket);
    return endpoint ? endpoint->to_string() : "?";
  }

  void finish()
  {
    platform::system().close(m_socket);
    auto closed = std::move(m_closed);
    unref();
    closed();
  }

  ListenerSet &m_set;
  int m_socket;
  bool m_closing = false;
  std::function<void()> m_closed;
};

ListenerSet &ListenerSet::instance()
{
  static ListenerSet set;
  return set;
}

void ListenerSet::start(void (*accepted)(int socket))
{
  m_accepted = accepted;
  m_is_closed = false;
  m_next_core = 0;
}

Result<std::vector<RefPtr<ListenerSet::Listener>>> ListenerSet::make_listeners(uint16_t port, Scope scope)
{
  std::vector<RefPtr<Listener>> listeners;
  for (bool v6 : {false, true}) {
    IpAddress address = scope == Scope::Loopback ? IpAddress::loopback(v6) : IpAddress::any(v6);
    auto socket = platform::system().listen_tcp({address, port});
    // A machine without IPv6 serves IPv4 alone.
    if (socket.is_error() && v6 && socket.error() == NtStatus::InvalidAddressComponent)
      continue;
    if (socket.is_error()) {
      for (auto &listener : listeners)
        listener->close([] {});
      return socket.error();
    }
    listeners.push_back(RefPtr<Listener>::adopt(new Listener(*this, *socket)));
  }
  return listeners;
}

void ListenerSet::close_listeners(std::vector<RefPtr<Listener>> listeners, std::function<void()> closed)
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

NtStatus ListenerSet::listen(uint16_t port, Scope scope, bool accepts)
{
  if (m_is_closed)
    return NtStatus::Cancelled;
  auto listeners = make_listeners(port, scope);
  if (listeners.is_error())
    return listeners.error();
  for (auto &listener : *listeners)
    if (accepts)
      listener->start();
  if (!accepts)
    m_new_ports.push_back(port);
  m_ports[port] = {scope, listeners.release_value()};
  return NtStatus::Success;
}

void ListenerSet::open(uint16_t port, Scope scope, Done done)
{
  auto found = m_ports.find(port);
  if (found == m_ports.end())
    return done(listen(port, scope, false));
  if (found->second.scope == Scope::Everywhere || scope == Scope::Loopback)
    return done(NtStatus::Success);
  reopen(port, scope, std::move(done));
}

void ListenerSet::narrow(uint16_t port, Done done)
{
  auto found = m_ports.find(port);
  if (found == m_ports.end() || found->second.scope == Scope::Loopback)
    return done(NtStatus::Success);
  reopen(port, Scope::Loopback, std::move(done));
}

// Loopback sockets and wildcard ones are in each other's way.
void ListenerSet::reopen(uint16_t port, Scope scope, Done done)
{
  auto node = m_ports.extract(port);
  Scope before = node.mapped().scope;
  bool accepts = std::erase(m_new_ports, port) == 0;
  close_listeners(std::move(node.mapped().listeners), [this, port, scope, before, accepts, done = std::move(done)] {
    NtStatus status = listen(port, scope, accepts);
    if (!is_success(status) && status != NtStatus::Cancelled) {
      NtStatus again = listen(port, before, accepts);
      if (!is_success(again))
        log("port {} could not be opened in another scope ({}), nor again in the one it had ({})", port, status_name(status),
            status_name(again));
    }
    done(status);
  });
}

void ListenerSet::accept_on_new_ports()
{
  for (uint16_t port : std::exchange(m_new_ports, {}))
    for (auto &listener : m_ports.at(port).listeners)
      listener->start();
}

void ListenerSet::close(uint16_t port, Done done)
{
  auto found = m_ports.find(port);
  if (found == m_ports.end())
    return done(NtStatus::Success);
  auto listeners = std::move(found->second.listeners);
  m_ports.erase(found);
  std::erase(m_new_ports, port);
  close_listeners(std::move(listeners), [done = std::move(done)] { done(NtStatus::Success); });
}

void ListenerSet::close_all(std::function<void()> done)
{
  m_is_closed = true;
  m_new_ports.clear();
  std::vector<RefPtr<Listener>> all;
  for (auto &[port, entry] : m_ports)
    all.insert(all.end(), entry.listeners.begin(), entry.listeners.end());
  m_ports.clear();
  close_listeners(std::move(all), std::move(done));
}

size_t ListenerSet::descriptor_count() const
{
  size_t count = 0;
  for (auto &[port, entry] : m_ports)
    count += entry.listeners.size();
  return count;
}

void ListenerSet::hand_on(int socket)
{
  ke::CoreId core = m_next_core;
  m_next_core = (m_next_core + 1) % ke::Cores::instance().count();
  ke::Cores::instance().run_on(core, [accepted = m_accepted, socket] { accepted(socket); });
}

}
