// SPDX-License-Identifier: GPL-3.0-or-later
// UrlTree: the URL namespace as routing sees it, an edition that nobody changes any more: a pointer to maps that it shares with the
// editions before it. Each core has the one by which it routes a request at that moment. UrlTree::Editor, which the Namespace has on
// core 0, makes the next one.
#pragma once
#include "kernel/limits.h"
#include "kernel/ns/path_hash.h"
#include "kernel/ns/persistent_map.h"
#include "kernel/url/host.h"
#include "kernel/url/prefix.h"
#include <array>
#include <memory>
#include <vector>

namespace httpsys::ns {

struct Route {
  uint64_t url_context = 0;
  uint64_t queue_id = 0;   // 0: the group is not bound (503)
  bool is_ip_routed = false; // found by an IP literal (HTTP_REQUEST_FLAG_IP_ROUTED)
};

using PrefixPtr = std::shared_ptr<const url::UrlPrefix>; // only core 0 makes and drops references

enum class Lookup {
  Found,
  NoHost, // no registration of the port has this host in any bucket: 400 Invalid Hostname
  NoPath  // the host is served, the path is not: 404
};

class UrlTree {
public:
  class Editor;
  // The current core's.
  static const UrlTree &current();
  static void set_current(const UrlTree &tree);

  // path_key: canonical path in upper case. local: the connection's own end. Order of buckets: +, name, IP literal, *;
  // the first bucket with a match wins, its longest prefix by whole segments is taken.
  Lookup find(const Endpoint &local, const url::Host &host, std::u16string_view path_key, Route &route) const;
  // Whether the port's registrations are https; false for a port without any.
  bool is_https(uint16_t port) const;
  // Some text of what the port has, for the log line of a request that found nothing: the nearest registrations.
  std::string nearest(uint16_t port) const;

private:
  // A URL.
  struct Registration {
    explicit Registration(const PrefixPtr &its_prefix) : path_key(its_prefix->path_key()), prefix(its_prefix) {}
    bool is(const PrefixPtr &other) const { return path_key == other->path_key(); }
    bool is(const PathBeginning &beginning) const // a path_key ends in a slash
    {
      return path_key.size() == beginning.path.size() + 1 && path_key.starts_with(beginning.path);
    }
    std::u16string_view path_key; // of prefix
    PrefixPtr prefix;
    Route route;
  };
  // The paths of one host.
  struct Paths {
    Registration &change(MapEdition &edition, const PrefixPtr &prefix);
    void erase(MapEdition &edition, const PrefixPtr &prefix);
    const Route *find(PathBeginnings &beginnings) const;
    PersistentMap<Registration> routes;
    std::vector<uint32_t> count_of_depth; // how many have so many slashes, up to the most that one has
    size_t longest = 0; // at least as long as the longest
  };
  template <typename Key>
  struct Host {
    explicit Host(const Key &its_key) : key(its_key) {}
    bool is(const Key &other) const { return key == other; }
    Key key;
    Paths paths;
  };
  struct Port {
    explicit Port(uint16_t its_number) : number(its_number) {}
    bool is(uint16_t other) const { return number == other; }
    uint16_t number;
    bool is_https = false;
    uint32_t urls = 0;
    Paths strong, weak;
    PersistentMap<Host<std::string>> names;
    PersistentMap<Host<IpAddress>> addresses;
    std::array<PrefixPtr, limits::kNearestUrlsLogged> named; // in the log line; the first ones
  };
  const Port *find_port(uint16_t port) const { return m_ports.find(port, port); }
  PersistentMap<Port> m_ports;
};

// Makes the next edition by changing the one before it. A change costs what leads to that URL, whatever else there is.
class UrlTree::Editor {
public:
  Editor() = default;
  ~Editor();
  Editor(const Editor &) = delete;
  Editor &operator=(const Editor &) = delete;

  void add(const PrefixPtr &prefix, uint64_t url_context, uint64_t queue_id);
  void set_queue(const PrefixPtr &prefix, uint64_t queue_id);
  void remove(const PrefixPtr &prefix);
  // Puts it into the port's log line at this place, nullptr: nothing; when the port is there and has such a place.
  void name(uint16_t port, size_t place, const PrefixPtr &prefix);

  struct Finished {
    UrlTree tree;
    std::vector<std::unique_ptr<MapItem>> replaced; // to be freed when no core has an older tree
  };
  // Changes are made in the next edition from now on.
  Finished finish();
  uint64_t made() const { return m_edition.made(); } // nodes and leaves so far

private:
  // Calls change(paths) with the paths of the prefix's host, which are made and forgotten as needed.
  template <typename Change>
  void change_paths(Port &port, const PrefixPtr &prefix, const Change &change);

  UrlTree m_tree;
  MapEdition m_edition;
};

}
