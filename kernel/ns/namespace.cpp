// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ns/namespace.h"
#include "kernel/io/dispatch.h"
#include "kernel/io/session.h"
#include "kernel/limits.h"
#include "kernel/net/listener_set.h"
#include "kernel/se/access.h"
#include <algorithm>
#include <cstring>

namespace httpsys::ns {

static uint32_t random_generation()
{
  uint32_t value;
  platform::system().fill_random({reinterpret_cast<uint8_t *>(&value), sizeof value});
  return value;
}

static const Namespace *s_made = nullptr;

Namespace::Namespace()
    : m_sessions(ob::IdType::ServerSession, 0, random_generation()),
      m_groups(ob::IdType::UrlGroup, 0, random_generation())
{
  s_made = this;
}

Namespace &Namespace::instance()
{
  static Namespace the_namespace;
  return the_namespace;
}

template <void (Namespace::*operation)(io::IrpPtr)>
static void on_core_0(io::Channel &channel, io::IrpPtr irp)
{
  channel.forward_to_core_0(std::move(irp), [](io::IrpPtr forwarded) { (Namespace::instance().*operation)(std::move(forwarded)); });
}

void Namespace::register_operations()
{
  io::register_operation(HSYS_OP_CREATE_SERVER_SESSION, on_core_0<&Namespace::create_server_session>);
  io::register_operation(HSYS_OP_CLOSE_SERVER_SESSION, on_core_0<&Namespace::close_server_session>);
  io::register_operation(HSYS_OP_CREATE_URL_GROUP, on_core_0<&Namespace::create_url_group>);
  io::register_operation(HSYS_OP_CLOSE_URL_GROUP, on_core_0<&Namespace::close_url_group>);
  io::register_operation(HSYS_OP_ADD_URL, on_core_0<&Namespace::add_url>);
  io::register_operation(HSYS_OP_REMOVE_URL, on_core_0<&Namespace::remove_url>);
  io::register_session_ended([](io::SessionId session) { Namespace::instance().session_ended(session); });
}

void Namespace::exclusively(ke::Task change)
{
  m_changes.push_back(std::move(change));
  run_changes();
}

// A loop, not a recursion: clients decide how many changes wait.
void Namespace::run_changes()
{
  if (m_runs_changes || m_continues)
    return;
  m_runs_changes = true;
  for (uint32_t count = 0; !m_is_changing && !m_changes.empty() && count < limits::kNamespaceChangesPerTurn; count++) {
    m_is_changing = true;
    ke::Task change = std::move(m_changes.front());
    m_changes.pop_front();
    change.run();
  }
  m_runs_changes = false;
  m_continues = !m_is_changing && !m_changes.empty();
  if (m_continues)
    ke::Cores::instance().post(0, [this] {
      m_continues = false;
      run_changes();
    });
}

void Namespace::finish_change()
{
  m_is_changing = false;
  run_changes();
}

void Namespace::in_slices(Slice slice, std::function<void()> done)
{
  go_on(std::make_unique<SlicedWork>(SlicedWork{std::move(slice), std::move(done)}));
}

void Namespace::go_on(std::unique_ptr<SlicedWork> work)
{
  Steps steps;
  if (work->slice(steps))
    return work->done();
  ke::Cores::instance().post(0, [this, work = std::move(work)]() mutable { go_on(std::move(work)); });
}

void Namespace::change_in_slices(Slice slice, io::IrpPtr irp)
{
  // A copyable callback can't hold the operation itself.
  auto waiting = std::make_shared<io::IrpPtr>(std::move(irp));
  in_slices(std::move(slice), [this, waiting] {
    if (*waiting)
      m_unpublished.push_back(std::move(*waiting));
    publish_later();
    finish_change();
  });
}

Namespace::ServerSession *Namespace::server_session_of(const io::Irp &irp)
{
  ServerSession *session = m_sessions.find(irp.entry().object_id);
  return session && session->owner == irp.session() ? session : nullptr;
}

Namespace::UrlGroup *Namespace::group_of(const io::Irp &irp)
{
  UrlGroup *group = m_groups.find(irp.entry().object_id);
  return group && group->owner == irp.session() ? group : nullptr;
}

static void complete_unknown(io::IrpPtr irp, const char *what)
{
  io::complete(std::move(irp), NtStatus::InvalidParameter, std::string("the ") + what + " id is not one of this process, or it was closed");
}

void Namespace::create_server_session(io::IrpPtr irp)
{
  auto session = std::make_unique<ServerSession>();
  session->owner = irp->session();
  session->client = irp->client();
  auto why = m_session_quota.refusal(session->client);
  session->id = why ? 0 : m_sessions.add(*session);
  if (session->id == 0)
    return io::complete(std::move(irp), NtStatus::InsufficientResources,
                        why.value_or("the daemon has 1048576 server sessions, and no more ids (IdTable)"));
  m_session_quota.take(session->client);
  m_owners[session->owner].append(*session);
  uint64_t id = session->id;
  m_session_objects[id] = std::move(session);
  io::complete(std::move(irp), io::completion_with_id(id));
}

void Namespace::create_url_group(io::IrpPtr irp)
{
  ServerSession *session = server_session_of(*irp);
  if (!session)
    return complete_unknown(std::move(irp), "server session");
  auto group = std::make_unique<UrlGroup>();
  group->server_session = session;
  group->owner = irp->session();
  group->client = irp->client();
  auto why = m_group_quota.refusal(group->client);
  group->id = why ? 0 : m_groups.add(*group);
  if (group->id == 0)
    return io::complete(std::move(irp), NtStatus::InsufficientResources,
                        why.value_or("the daemon has 1048576 URL groups, and no more ids (IdTable)"));
  m_group_quota.take(group->client);
  session->groups.append(*group);
  uint64_t id = group->id;
  m_group_objects[id] = std::move(group);
  io::complete(std::move(irp), io::completion_with_id(id));
}

void Namespace::close_server_session(io::IrpPtr irp)
{
  exclusively([this, irp = std::move(irp)]() mutable {
    ServerSession *session = server_session_of(*irp);
    if (!session) {
      complete_unknown(std::move(irp), "server session");
      return finish_change();
    }
    hide(*session);
    change_in_slices([this, session](Steps &steps) { return drop_server_session(*session, steps); }, std::move(irp));
  });
}

void Namespace::close_url_group(io::IrpPtr irp)
{
  exclusively([this, irp = std::move(irp)]() mutable {
    UrlGroup *group = group_of(*irp);
    if (!group) {
      complete_unknown(std::move(irp), "URL group");
      return finish_change();
    }
    change_in_slices([this, group](Steps &steps) { return drop_group(*group, steps); }, std::move(irp));
  });
}

void Namespace::erase_url(Urls::iterator url)
{
  // The last one takes its place: a process may have thousands, and others thousands on the same port.
  auto forget = [url](std::vector<Urls::iterator> &urls, size_t Url::*place) {
    size_t at = url->second.*place;
    VERIFY(at < urls.size() && urls[at] == url);
    urls[at] = urls.back();
    urls[at]->second.*place = at;
    urls.pop_back();
  };
  const url::UrlPrefix &prefix = *url->second.prefix;
  UrlGroup &group = *url->second.group;
  forget(group.urls, &Url::place_in_group);
  m_url_quota.give(group.client);
  Port &port = m_ports.at(prefix.port());
  m_tree.remove(url->second.prefix);
  size_t place = url->second.place_in_port;
  forget(port.urls, &Url::place_in_port);
  for (size_t moved : {place, port.urls.size()})
    m_tree.name(prefix.port(), moved, moved < port.urls.size() ? port.urls[moved]->second.prefix : nullptr);
  if (auto client = port.clients.find(group.client.process); --client->second.second == 0) {
    port.clients.erase(client);
    if (port.payer->process == group.client.process && !port.clients.empty())
      pays(prefix.port(), port, port.clients.begin()->second.first);
  }
  port.public_urls -= prefix.is_loopback_only() ? 0 : 1;
  m_ports_with_fewer_urls.insert(prefix.port());
  m_urls.erase(url);
}

void Namespace::pays(uint16_t number, Port &port, std::optional<se::Client> client)
{
  if (port.payer)
    m_port_quota.give(*port.payer);
  port.payer = client;
  if (!client)
    return;
  m_port_quota.take(*client);
  net::ListenerSet::instance().set_payer(number, client->uid);
}

bool Namespace::drop_urls(UrlGroup &group, Steps &steps)
{
  while (!group.urls.empty()) {
    if (!steps.take())
      return false;
    erase_url(group.urls.back());
  }
  return true;
}

bool Namespace::drop_group(UrlGroup &group, Steps &steps)
{
  if (!drop_urls(group, steps) || !steps.take())
    return false;
  unbind_group(group);
  if (static_cast<ListLink<UrlGroup, OfRebound> &>(group).is_linked())
    m_rebound.remove(group);
  group.server_session->groups.remove(group);
  m_group_quota.give(group.client);
  m_groups.remove(group.id);
  m_group_objects.erase(group.id);
  return true;
}

void Namespace::hide(ServerSession &session)
{
  m_sessions.remove(session.id);
}

// Of one that is hidden.
bool Namespace::drop_server_session(ServerSession &session, Steps &steps)
{
  while (UrlGroup *group = session.groups.first())
    if (!drop_group(*group, steps))
      return false;
  if (!steps.take())
    return false;
  auto owner = m_owners.find(session.owner);
  owner->second.remove(session);
  if (owner->second.is_empty())
    m_owners.erase(owner);
  m_session_quota.give(session.client);
  m_session_objects.erase(session.id);
  return true;
}

bool Namespace::drop_owner(io::SessionId owner, Steps &steps)
{
  for (auto found = m_owners.find(owner); found != m_owners.end(); found = m_owners.find(owner)) {
    ServerSession &session = *found->second.first();
    if (m_sessions.find(session.id) == &session)
      hide(session);
    if (!drop_server_session(session, steps))
      return false;
  }
  return true;
}

// Copies the text out of an ADD_URL or REMOVE_URL block.
static Result<std::u16string> url_text(const io::Irp &irp, hsys_url &head)
{
  auto parameters = irp.parameters();
  std::memcpy(&head, parameters.data(), sizeof head);
  if (head.reserved0 != 0 || head.url_bytes % 2 != 0 || head.url_bytes != parameters.size() - sizeof head)
    return NtStatus::InvalidParameter;
  std::u16string text(head.url_bytes / 2, u'\0');
  std::memcpy(text.data(), parameters.data() + sizeof head, head.url_bytes);
  return text;
}

void Namespace::add_url(io::IrpPtr irp)
{
  exclusively([this, irp = std::move(irp)]() mutable { add_url_now(std::move(irp)); });
}

NtStatus Namespace::check_new_url(const io::Irp &irp, const url::UrlPrefix &prefix, std::string &reason)
{
  std::string text = prefix.quoted_text();
  auto port = m_ports.find(prefix.port());
  // All registrations of a port have one scheme.
  if (port != m_ports.end() && !port->second.urls.empty()) {
    const url::UrlPrefix &other = *port->second.urls.front()->second.prefix;
    if (other.is_https() != prefix.is_https()) {
      reason = text + " can't be registered: port " + std::to_string(prefix.port()) + " carries " +
               (other.is_https() ? "https" : "http") + " (" + other.quoted_text() +
               "), and one port has one scheme; use another port";
      return NtStatus::ObjectNameCollision;
    }
  }
  if (auto found = m_urls.find(prefix.key()); found != m_urls.end()) {
    reason = text + " is registered by " + io::SessionManager::instance().describe(found->second.owner) +
             "; two workers of one service share a named request queue (HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING)";
    return NtStatus::ObjectNameCollision;
  }
  if (!se::may_listen(prefix.port(), irp.uid())) {
    reason = "uid " + std::to_string(irp.uid()) + " may not listen on " + text +
             ": ports below 1024 are for uid 0 and the daemon's own uid; use a port from 1024 on";
    return NtStatus::AccessDenied;
  }
  auto why = m_url_quota.refusal(irp.client());
  // One that has lost its last URL listens until the next publication.
  if (port != m_ports.end() && port->second.urls.empty())
    pays(port->first, port->second, std::nullopt);
  if (!why && (port == m_ports.end() || !port->second.payer))
    why = m_port_quota.refusal(irp.client());
  reason = why.value_or("");
  return why ? NtStatus::InsufficientResources : NtStatus::Success;
}

void Namespace::add_url_now(io::IrpPtr irp)
{
  hsys_url head;
  auto text = url_text(*irp, head);
  if (!group_of(*irp) || text.is_error()) {
    complete_unknown(std::move(irp), "URL group");
    return finish_change();
  }
  std::string reason;
  auto prefix = url::UrlPrefix::parse(*text, reason);
  NtStatus status = prefix.is_error() ? prefix.error() : check_new_url(*irp, *prefix, reason);
  if (!is_success(status)) {
    io::complete(std::move(irp), status, std::move(reason));
    return finish_change();
  }
  uint16_t port = prefix->port();
  auto scope = prefix->is_loopback_only() ? net::Scope::Loopback : net::Scope::Everywhere;
  status = net::ListenerSet::instance().open(port, scope);
  if (is_success(status))
    return insert_url(std::move(irp), prefix.release_value(), head.url_context);
  std::string why = "cannot listen for " + prefix->quoted_text() + ": ";
  if (status == NtStatus::SharingViolation)
    why += "port " + std::to_string(port) + " is in use by a program outside httpsysd; stop it or use another port";
  else
    why += status == NtStatus::Cancelled ? "the daemon is ending" : std::string("the system answers ") + status_name(status);
  io::complete(std::move(irp), status, std::move(why));
  finish_change();
}

void Namespace::insert_url(io::IrpPtr irp, url::UrlPrefix prefix, uint64_t url_context)
{
  UrlGroup *group = group_of(*irp);
  VERIFY(group); // it was there before the port was opened
  Port &port = m_ports[prefix.port()];
  port.public_urls += prefix.is_loopback_only() ? 0 : 1;
  auto shared = std::make_shared<const url::UrlPrefix>(std::move(prefix));
  auto [url, is_new] = m_urls.emplace(shared->key(), Url{shared, group, group->owner, group->urls.size(), port.urls.size()});
  VERIFY(is_new);
  m_tree.add(shared, url_context, group->queue_id);
  m_tree.name(shared->port(), port.urls.size(), shared);
  port.urls.push_back(url);
  group->urls.push_back(url);
  m_url_quota.take(group->client);
  auto &urls_of = port.clients[group->client.process];
  urls_of.first = group->client;
  urls_of.second++;
  if (!port.payer)
    pays(shared->port(), port, group->client);
  complete_when_published(std::move(irp));
  finish_change();
}

void Namespace::remove_url(io::IrpPtr irp)
{
  exclusively([this, irp = std::move(irp)]() mutable { remove_url_now(std::move(irp)); });
}

void Namespace::remove_url_now(io::IrpPtr irp)
{
  hsys_url head;
  auto text = url_text(*irp, head);
  UrlGroup *group = group_of(*irp);
  bool all = (irp->entry().op_flags & HSYS_URL_REMOVE_ALL) != 0;
  if (!group || text.is_error() || all != text->empty()) {
    complete_unknown(std::move(irp), "URL group");
    return finish_change();
  }
  if (all) {
    return change_in_slices([this, group](Steps &steps) { return drop_urls(*group, steps); }, std::move(irp));
  }
  std::string reason;
  auto prefix = url::UrlPrefix::parse(*text, reason);
  if (prefix.is_error()) {
    io::complete(std::move(irp), prefix.error(), std::move(reason));
    return finish_change();
  }
  auto found = m_urls.find(prefix->key());
  if (found == m_urls.end() || found->second.group != group) {
    io::complete(std::move(irp), NtStatus::ObjectNameNotFound, prefix->quoted_text() + " is not registered in this URL group");
    return finish_change();
  }
  erase_url(found);
  complete_when_published(std::move(irp));
  finish_change();
}

void Namespace::bind(io::IrpPtr irp)
{
  exclusively([this, irp = std::move(irp)]() mutable { bind_now(std::move(irp)); });
}

// Its URLs, thousands perhaps, follow in the next publication: a client may bind it many times before that.
void Namespace::bind_group(UrlGroup &group, uint64_t queue_id)
{
  unbind_group(group);
  group.queue_id = queue_id;
  if (queue_id != 0)
    m_bound[queue_id].append(group);
  if (!static_cast<ListLink<UrlGroup, OfRebound> &>(group).is_linked())
    m_rebound.append(group);
}

void Namespace::unbind_group(UrlGroup &group)
{
  uint64_t queue_id = std::exchange(group.queue_id, 0);
  if (queue_id == 0)
    return;
  auto bound = m_bound.find(queue_id);
  bound->second.remove(group);
  if (bound->second.is_empty())
    m_bound.erase(bound);
}

void Namespace::bind_now(io::IrpPtr irp)
{
  UrlGroup *group = group_of(*irp);
  if (!group) {
    complete_unknown(std::move(irp), "URL group");
    return finish_change();
  }
  bind_group(*group, irp->target().queue);
  complete_when_published(std::move(irp));
  finish_change();
}

bool Namespace::unbind_all(uint64_t queue_id, Steps &steps)
{
  for (auto bound = m_bound.find(queue_id); bound != m_bound.end(); bound = m_bound.find(queue_id)) {
    if (!steps.take())
      return false;
    bind_group(*bound->second.first(), 0);
  }
  return true;
}

void Namespace::queue_gone(uint64_t queue_id)
{
  exclusively([this, queue_id] {
    change_in_slices([this, queue_id](Steps &steps) { return unbind_all(queue_id, steps); });
  });
}

const char *Namespace::unsound()
{
  return s_made ? s_made->find_unsound() : nullptr;
}

const char *Namespace::find_unsound() const
{
  se::Quota sessions(se::kServerSessions), groups(se::kUrlGroups), urls(se::kUrls), ports(se::kPorts);
  for (const auto &[id, session] : m_session_objects)
    sessions.take(session->client);
  for (const auto &[id, group] : m_group_objects)
    groups.take(group->client);
  for (const auto &[key, url] : m_urls)
    urls.take(url.group->client);
  for (const auto &[number, port] : m_ports)
    if (port.payer)
      ports.take(*port.payer);
  return sessions != m_session_quota ? se::kServerSessions.plural
         : groups != m_group_quota   ? se::kUrlGroups.plural
         : urls != m_url_quota       ? se::kUrls.plural
         : ports != m_port_quota     ? se::kPorts.plural
                                     : nullptr;
}

void Namespace::session_ended(io::SessionId session)
{
  exclusively([this, session] {
    change_in_slices([this, session](Steps &steps) { return drop_owner(session, steps); });
  });
}

void Namespace::complete_when_published(io::IrpPtr irp)
{
  m_unpublished.push_back(std::move(irp));
  publish_later();
}

}
