// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ns/url_tree.h"
#include "kernel/io/per_core.h"
#include "kernel/limits.h"
#include <algorithm>

namespace httpsys::ns {

static io::PerCore<RefPtr<UrlTree>> s_current;

UrlTree &UrlTree::current()
{
  auto &tree = s_current.here();
  if (!tree)
    tree = build({});
  return *tree;
}

void UrlTree::set_current(RefPtr<UrlTree> tree)
{
  s_current.here() = std::move(tree);
}

void UrlTree::Paths::add(const std::u16string &path_key, const Route &route)
{
  routes[path_key] = route;
  // There may be thousands.
  auto place = std::ranges::lower_bound(lengths, path_key.size(), std::ranges::greater());
  if (place == lengths.end() || *place != path_key.size())
    lengths.insert(place, path_key.size());
}

// Registered paths end in '/', so a prefix covers the request when the request, with a '/' at its end, has one at the prefix's last place.
// A client may have hundreds of them, one inside the other, and a request may be long: the path is hashed once for all.
const Route *UrlTree::Paths::find(std::u16string_view path_key) const
{
  if (lengths.empty())
    return nullptr;
  thread_local std::vector<Beginning> beginnings;
  beginnings.clear();
  PathHash hash;
  bool lacks_slash = !path_key.ends_with(u'/');
  size_t end = std::min(path_key.size() + lacks_slash, lengths.front());
  for (size_t at = 0; at < end; at++) {
    char16_t unit = at < path_key.size() ? path_key[at] : u'/';
    hash.add(unit);
    if (unit == u'/')
      beginnings.push_back({path_key.substr(0, at), hash.value()});
  }
  auto length = lengths.begin();
  for (; !beginnings.empty(); beginnings.pop_back()) {
    const Beginning &beginning = beginnings.back();
    length = std::find_if(length, lengths.end(), [&](size_t one) { return one <= beginning.path.size() + 1; });
    if (length == lengths.end())
      return nullptr;
    if (*length != beginning.path.size() + 1)
      continue;
    if (auto found = routes.find(beginning); found != routes.end())
      return &found->second;
  }
  return nullptr;
}

UrlTree::Builder::Builder(const UrlTree &before) : m_tree(RefPtr<UrlTree>::adopt(new UrlTree))
{
  m_tree->m_ports = before.m_ports;
}

void UrlTree::Builder::begin(uint16_t port)
{
  m_number = port;
  m_port = std::make_shared<Port>();
}

void UrlTree::Builder::add(const Registration &registration)
{
  const url::UrlPrefix &prefix = registration.prefix;
  m_port->is_https = prefix.is_https();
  if (m_port->texts.size() < limits::kNearestUrlsLogged)
    m_port->texts.push_back(prefix.text_utf8());
  Route route = registration.route;
  switch (prefix.host()) {
  case url::PrefixHost::StrongWildcard:
    m_port->strong.add(prefix.path_key(), route);
    break;
  case url::PrefixHost::Name:
    m_port->names[prefix.host_key()].add(prefix.path_key(), route);
    break;
  case url::PrefixHost::IpLiteral:
    route.is_ip_routed = true;
    m_port->addresses[prefix.address()].add(prefix.path_key(), route);
    break;
  case url::PrefixHost::WeakWildcard:
    m_port->weak.add(prefix.path_key(), route);
    break;
  }
}

void UrlTree::Builder::end()
{
  if (m_port->texts.empty())
    m_tree->m_ports.erase(m_number);
  else
    m_tree->m_ports[m_number] = std::move(m_port);
}

RefPtr<UrlTree> UrlTree::build(std::span<const Registration *const> registrations)
{
  std::map<uint16_t, std::vector<const Registration *>> ports;
  for (const Registration *registration : registrations)
    ports[registration->prefix.port()].push_back(registration);
  Builder builder(*RefPtr<UrlTree>::adopt(new UrlTree));
  for (auto &[port, its] : ports) {
    builder.begin(port);
    for (const Registration *registration : its)
      builder.add(*registration);
    builder.end();
  }
  return builder.finish();
}

const UrlTree::Port *UrlTree::find_port(uint16_t port) const
{
  auto found = m_ports.find(port);
  return found == m_ports.end() ? nullptr : found->second.get();
}

Lookup UrlTree::find(const Endpoint &local, const url::Host &host, std::u16string_view path_key, Route &route) const
{
  const Port *found = find_port(local.port);
  if (!found)
    return Lookup::NoHost;
  const Port &port = *found;
  bool host_is_served = false;
  auto take = [&](const Paths &paths) {
    host_is_served = host_is_served || !paths.routes.empty();
    const Route *match = paths.find(path_key);
    if (match)
      route = *match;
    return match != nullptr;
  };
  if (take(port.strong))
    return Lookup::Found;
  // Another application's URL may have opened the port to all addresses: what names localhost still serves this machine alone.
  if (host.kind == url::HostKind::Name && (local.address.is_loopback() || !url::is_loopback_name(host.key))) {
    auto name = port.names.find(host.key);
    if (name != port.names.end() && take(name->second))
      return Lookup::Found;
  }
  auto address = port.addresses.find(local.address);
  if (address != port.addresses.end() && take(address->second))
    return Lookup::Found;
  if (take(port.weak))
    return Lookup::Found;
  return host_is_served ? Lookup::NoPath : Lookup::NoHost;
}

bool UrlTree::is_https(uint16_t port) const
{
  const Port *found = find_port(port);
  return found && found->is_https;
}

std::string UrlTree::nearest(uint16_t port) const
{
  const Port *found = find_port(port);
  if (!found)
    return "no registration is left on this port";
  std::string text = "registered here:";
  for (const auto &one : found->texts)
    text += " \"" + one + '"';
  return text;
}

}
