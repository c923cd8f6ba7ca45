// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ns/namespace.h"
#include "kernel/io/dispatch.h"
#include "kernel/io/session.h"
#include "kernel/limits.h"
#include "kernel/net/listener_set.h"
#include "kernel/se/access.h"
#include <cstring>

namespace httpsys::ns {

static uint32_t random_generation()
{
  uint32_t value;
  platform::system().fill_random({reinterpret_cast<uint8_t *>(&value), sizeof value});
  return value;
}

Namespace::Namespace()
    : m_sessions(ob::IdType::ServerSession, 0, random_generation()),
      m_groups(ob::IdType::UrlGroup, 0, random_generation())
{
}

Namespace &Namespace::instance()
{
  static Namespace the_namespace;
  return the_namespace;
}

template <void (Namespace::*operation)(io::IrpPtr)>
static void on_core_0(io::Channel &channel, io::IrpPtr irp)
{
  channel.forward(std::move(irp), 0, [](io::IrpPtr forwarded) { (Namespace::instance().*operation)(std::move(forwarded)); });
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
  if (!m_changing)
    start_next_change();
}

void Namespace::start_next_change()
{
  m_changing = true;
  ke::Task change = std::move(m_changes.front());
  m_changes.pop_front();
  change.run();
}

void Namespace::finish_change()
{
  m_changing = false;
  if (!m_changes.empty())
    start_next_change();
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
  session->id = m_sessions.count() < limits::kServerSessions ? m_sessions.add(*session) : 0;
  if (session->id == 0)
    return io::complete(std::move(irp), NtStatus::InsufficientResources, "the daemon has as many server sessions as it may have");
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
  group->server_session = session->id;
  group->owner = irp->session();
  group->id = m_groups.count() < limits::kUrlGroups ? m_groups.add(*group) : 0;
  if (group->id == 0)
    return io::complete(std::move(irp), NtStatus::InsufficientResources, "the daemon has as many URL groups as it may have");
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
    uint64_t id = session->id;
    std::vector<UrlGroup *> groups;
    m_groups.for_each([&](UrlGroup &group) {
      if (group.server_session == id)
        groups.push_back(&group);
    });
    for (UrlGroup *group : groups)
      drop_group(*group);
    m_sessions.remove(id);
    m_session_objects.erase(id);
    publish_and_complete(std::move(irp), NtStatus::Success);
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
    drop_group(*group);
    publish_and_complete(std::move(irp), NtStatus::Success);
  });
}

template <typename Matches>
bool Namespace::erase_urls(Matches matches)
{
  return std::erase_if(m_urls, [&](const auto &entry) { return matches(entry.second); }) > 0;
}

void Namespace::drop_group(UrlGroup &group)
{
  uint64_t id = group.id;
  erase_urls([id](const Url &url) { return url.group == id; });
  m_groups.remove(id);
  m_group_objects.erase(id);
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
  std::string text = '"' + prefix.text_utf8() + '"';
  for (const auto &[key, url] : m_urls) {
    const url::UrlPrefix &other = url.registration.prefix;
    if (other.port() != prefix.port() || other.is_https() == prefix.is_https())
      continue;
    reason = text + " can't be registered: port " + std::to_string(prefix.port()) + " carries " +
             (other.is_https() ? "https" : "http") + " (\"" + other.text_utf8() +
             "\"), and one port has one scheme; use another port";
    return NtStatus::ObjectNameCollision;
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
  if (m_urls.size() >= limits::kUrls) {
    reason = "the daemon has " + std::to_string(limits::kUrls) + " registered URLs, its limit";
    return NtStatus::InsufficientResources;
  }
  return NtStatus::Success;
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
  // A copyable callback can't hold the operation itself.
  auto waiting = std::make_shared<std::pair<io::IrpPtr, url::UrlPrefix>>(std::move(irp), prefix.release_value());
  net::ListenerSet::instance().open(port, scope, [this, waiting, context = head.url_context](NtStatus opened) {
    if (is_success(opened))
      return insert_url(std::move(waiting->first), std::move(waiting->second), context);
    std::string why = "cannot listen for \"" + waiting->second.text_utf8() + "\": ";
    why += opened == NtStatus::SharingViolation
               ? "port " + std::to_string(waiting->second.port()) +
                     " is in use by a program outside httpsysd; stop it or use another port"
               : std::string("the system answers ") + status_name(opened);
    io::complete(std::move(waiting->first), opened, std::move(why));
    finish_change();
  });
}

void Namespace::insert_url(io::IrpPtr irp, url::UrlPrefix prefix, uint64_t url_context)
{
  m_open_ports[prefix.port()] = true;
  UrlGroup *group = group_of(*irp);
  // The session may have ended while the port was opened.
  if (!group)
    return publish_and_complete(std::move(irp), NtStatus::InvalidParameter);
  Route route{url_context, group->queue_id, false};
  std::u16string key = prefix.key();
  m_urls.emplace(std::move(key), Url{{std::move(prefix), route}, group->id, group->owner});
  publish_and_complete(std::move(irp), NtStatus::Success);
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
  uint64_t id = group->id;
  if (all) {
    erase_urls([id](const Url &url) { return url.group == id; });
    return publish_and_complete(std::move(irp), NtStatus::Success);
  }
  std::string reason;
  auto prefix = url::UrlPrefix::parse(*text, reason);
  if (prefix.is_error()) {
    io::complete(std::move(irp), prefix.error(), std::move(reason));
    return finish_change();
  }
  auto found = m_urls.find(prefix->key());
  if (found == m_urls.end() || found->second.group != id) {
    io::complete(std::move(irp), NtStatus::ObjectNameNotFound, '"' + prefix->text_utf8() + "\" is not registered in this URL group");
    return finish_change();
  }
  m_urls.erase(found);
  publish_and_complete(std::move(irp), NtStatus::Success);
}

void Namespace::bind(io::IrpPtr irp)
{
  exclusively([this, irp = std::move(irp)]() mutable { bind_now(std::move(irp)); });
}

void Namespace::bind_now(io::IrpPtr irp)
{
  UrlGroup *group = group_of(*irp);
  if (!group) {
    complete_unknown(std::move(irp), "URL group");
    return finish_change();
  }
  group->queue_id = irp->target().queue;
  for (auto &[key, url] : m_urls)
    if (url.group == group->id)
      url.registration.route.queue_id = group->queue_id;
  publish_and_complete(std::move(irp), NtStatus::Success);
}

void Namespace::queue_gone(uint64_t queue_id)
{
  exclusively([this, queue_id] {
    m_groups.for_each([&](UrlGroup &group) {
      if (group.queue_id == queue_id)
        group.queue_id = 0;
    });
    for (auto &[key, url] : m_urls)
      if (url.registration.route.queue_id == queue_id)
        url.registration.route.queue_id = 0;
    publish([] {});
  });
}

void Namespace::session_ended(io::SessionId session)
{
  exclusively([this, session] {
    std::vector<UrlGroup *> groups;
    m_groups.for_each([&](UrlGroup &group) {
      if (group.owner == session)
        groups.push_back(&group);
    });
    for (UrlGroup *group : groups)
      drop_group(*group);
    std::vector<uint64_t> sessions;
    m_sessions.for_each([&](ServerSession &one) {
      if (one.owner == session)
        sessions.push_back(one.id);
    });
    for (uint64_t id : sessions) {
      m_sessions.remove(id);
      m_session_objects.erase(id);
    }
    if (groups.empty())
      return finish_change();
    publish([] {});
  });
}

void Namespace::publish_and_complete(io::IrpPtr irp, NtStatus status, std::string reason)
{
  auto waiting = std::make_shared<std::pair<io::IrpPtr, std::string>>(std::move(irp), std::move(reason));
  publish([waiting, status] { io::complete(std::move(waiting->first), status, std::move(waiting->second)); });
}

void Namespace::close_unused_ports(std::function<void()> done)
{
  for (auto &[port, open] : m_open_ports) {
    bool used = false;
    for (const auto &[key, url] : m_urls)
      used = used || url.registration.prefix.port() == port;
    if (used)
      continue;
    uint16_t unused = port;
    m_open_ports.erase(unused);
    return net::ListenerSet::instance().close(unused, [this, done = std::move(done)](NtStatus) { close_unused_ports(done); });
  }
  done();
}

void Namespace::publish(std::function<void()> done)
{
  close_unused_ports([this, done = std::move(done)] {
    std::vector<const Registration *> registrations;
    for (const auto &[key, url] : m_urls)
      registrations.push_back(&url.registration);
    auto tree = UrlTree::build(registrations);
    auto &cores = ke::Cores::instance();
    auto waiting = std::make_shared<uint32_t>(cores.count());
    auto acknowledged = std::make_shared<std::function<void()>>([this, waiting, done] {
      if (--*waiting > 0)
        return;
      done();
      finish_change();
    });
    for (ke::CoreId core = 0; core < cores.count(); core++) {
      cores.run_on(core, [tree, acknowledged] {
        UrlTree::set_current(tree);
        ke::Cores::instance().run_on(0, [acknowledged] { (*acknowledged)(); });
      });
    }
  });
}

}
