// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/ns/url_tree.h"
#include "kernel/io/per_core.h"
#include <algorithm>

namespace httpsys::ns {

static io::PerCore<UrlTree> s_current;

const UrlTree &UrlTree::current()
{
  return s_current.here();
}

void UrlTree::set_current(const UrlTree &tree)
{
  s_current.here() = tree;
}

static size_t depth_of(const PrefixPtr &prefix)
{
  return static_cast<size_t>(std::ranges::count(prefix->path_key(), u'/'));
}

UrlTree::Registration &UrlTree::Paths::change(MapEdition &edition, const PrefixPtr &prefix)
{
  return routes.change(edition, hash_path(prefix->path_key()), prefix);
}

void UrlTree::Paths::erase(MapEdition &edition, const PrefixPtr &prefix)
{
  routes.erase(edition, hash_path(prefix->path_key()), prefix);
  count_of_depth[depth_of(prefix)]--;
  while (!count_of_depth.empty() && count_of_depth.back() == 0)
    count_of_depth.pop_back();
}

// Registered paths end in '/', so a prefix covers the request when the request, with a '/' at its end, has one at the prefix's last place.
// A client may have hundreds of them, one inside the other, and a request may be long: the path is hashed once for all.
const Route *UrlTree::Paths::find(PathBeginnings &beginnings) const
{
  const auto &all = beginnings.up_to(longest);
  for (size_t depth = std::min(all.size() + 1, count_of_depth.size()); depth-- > 1;) {
    if (count_of_depth[depth] == 0)
      continue;
    const PathBeginning &beginning = all[depth - 1];
    if (const Registration *found = routes.find(beginning.hash, beginning))
      return &found->route;
  }
  return nullptr;
}

static uint64_t hash_address(const IpAddress &address)
{
  return hash_bytes({reinterpret_cast<const char *>(address.bytes.data()), address.bytes.size()});
}

Lookup UrlTree::find(const Endpoint &local, const url::Host &host, std::u16string_view path_key, Route &route) const
{
  const Port *found = find_port(local.port);
  if (!found)
    return Lookup::NoHost;
  const Port &port = *found;
  bool host_is_served = false;
  PathBeginnings beginnings(path_key);
  auto take = [&](const Paths &paths) {
    if (paths.routes.is_empty())
      return false;
    host_is_served = true;
    const Route *match = paths.find(beginnings);
    if (match)
      route = *match;
    return match != nullptr;
  };
  if (take(port.strong))
    return Lookup::Found;
  // Another application's URL may have opened the port to all addresses: what names localhost still serves this machine alone.
  bool names_serve = host.kind == url::HostKind::Name && (local.address.is_loopback() || !url::is_loopback_name(host.key));
  if (names_serve && !port.names.is_empty()) {
    auto *name = port.names.find(hash_bytes(host.key), host.key);
    if (name && take(name->paths))
      return Lookup::Found;
  }
  if (!port.addresses.is_empty()) {
    auto *address = port.addresses.find(hash_address(local.address), local.address);
    if (address && take(address->paths))
      return Lookup::Found;
  }
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
  for (const PrefixPtr &prefix : found->named)
    if (prefix)
      text += ' ' + prefix->quoted_text();
  return text;
}

template <typename Change>
void UrlTree::Editor::change_paths(Port &port, const PrefixPtr &prefix, const Change &change)
{
  auto of_host = [&](auto &hosts, uint64_t hash, const auto &key) {
    Paths &paths = hosts.change(m_edition, hash, key).paths;
    change(paths);
    if (paths.routes.is_empty())
      hosts.erase(m_edition, hash, key);
  };
  switch (prefix->host()) {
  case url::PrefixHost::StrongWildcard: return change(port.strong);
  case url::PrefixHost::Name: return of_host(port.names, hash_bytes(prefix->host_key()), prefix->host_key());
  case url::PrefixHost::IpLiteral: return of_host(port.addresses, hash_address(prefix->address()), prefix->address());
  case url::PrefixHost::WeakWildcard: return change(port.weak);
  }
}

void UrlTree::Editor::add(const PrefixPtr &prefix, uint64_t url_context, uint64_t queue_id)
{
  Port &port = m_tree.m_ports.change(m_edition, prefix->port(), prefix->port());
  port.is_https = prefix->is_https();
  port.urls++;
  change_paths(port, prefix, [&](Paths &paths) {
    paths.change(m_edition, prefix).route = {url_context, queue_id, prefix->host() == url::PrefixHost::IpLiteral};
    size_t depth = depth_of(prefix);
    paths.count_of_depth.resize(std::max(paths.count_of_depth.size(), depth + 1));
    paths.count_of_depth[depth]++;
    paths.longest = std::max(paths.longest, prefix->path_key().size());
  });
}

void UrlTree::Editor::set_queue(const PrefixPtr &prefix, uint64_t queue_id)
{
  Port &port = m_tree.m_ports.change(m_edition, prefix->port(), prefix->port());
  change_paths(port, prefix, [&](Paths &paths) { paths.change(m_edition, prefix).route.queue_id = queue_id; });
}

void UrlTree::Editor::remove(const PrefixPtr &prefix)
{
  Port &port = m_tree.m_ports.change(m_edition, prefix->port(), prefix->port());
  change_paths(port, prefix, [&](Paths &paths) { paths.erase(m_edition, prefix); });
  if (--port.urls == 0)
    m_tree.m_ports.erase(m_edition, prefix->port(), prefix->port());
}

void UrlTree::Editor::name(uint16_t port, size_t place, const PrefixPtr &prefix)
{
  if (place < limits::kNearestUrlsLogged && m_tree.find_port(port))
    m_tree.m_ports.change(m_edition, port, port).named[place] = prefix;
}

UrlTree::Editor::Finished UrlTree::Editor::finish()
{
  return {m_tree, m_edition.finish()};
}

UrlTree::Editor::~Editor()
{
  while (const Port *port = m_tree.m_ports.any()) {
    auto *name = port->names.any();
    auto *address = port->addresses.any();
    const Paths &paths = name ? name->paths : address ? address->paths : port->strong.routes.is_empty() ? port->weak : port->strong;
    remove(PrefixPtr(paths.routes.any()->prefix));
  }
}

}
