// SPDX-License-Identifier: GPL-3.0-or-later
// UrlTree: the URL namespace as routing sees it. An immutable snapshot that the Namespace builds on core 0 after every
// change and hands to all cores; a request is routed by the snapshot that its core has at that moment.
#pragma once
#include "kernel/base/refptr.h"
#include "kernel/ns/path_hash.h"
#include "kernel/url/host.h"
#include "kernel/url/prefix.h"
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace httpsys::ns {

struct Route {
  uint64_t url_context = 0;
  uint64_t queue_id = 0;   // 0: the group is not bound (503)
  bool is_ip_routed = false; // found by an IP literal (HTTP_REQUEST_FLAG_IP_ROUTED)
};

struct Registration {
  url::UrlPrefix prefix;
  Route route;
};

enum class Lookup {
  Found,
  NoHost, // no registration of the port has this host in any bucket: 400 Invalid Hostname
  NoPath  // the host is served, the path is not: 404
};

class UrlTree final : public AtomicRefCounted<UrlTree> {
public:
  static RefPtr<UrlTree> build(std::span<const Registration *const> registrations);
  class Builder;
  // The snapshot of the current core.
  static UrlTree &current();
  static void set_current(RefPtr<UrlTree> tree);

  // path_key: canonical path in upper case. local: the connection's own end. Order of buckets: +, name, IP literal, *;
  // the first bucket with a match wins, its longest prefix by whole segments is taken.
  Lookup find(const Endpoint &local, const url::Host &host, std::u16string_view path_key, Route &route) const;
  // Whether the port's registrations are https; false for a port without any.
  bool is_https(uint16_t port) const;
  // Some text of what the port has, for the log line of a request that found nothing: the nearest registrations.
  std::string nearest(uint16_t port) const;

private:
  friend class AtomicRefCounted<UrlTree>;
  UrlTree() = default;
  ~UrlTree() = default;
  // A request's path up to one of its slashes, or with one at its end.
  struct Beginning {
    std::u16string_view path; // without that slash
    size_t hash;
  };
  struct PathHasher {
    using is_transparent = void;
    size_t operator()(const std::u16string &key) const { return hash_path(key); }
    size_t operator()(const Beginning &beginning) const { return beginning.hash; }
  };
  struct PathEqual {
    using is_transparent = void;
    bool operator()(const std::u16string &key, const std::u16string &other) const { return key == other; }
    // Registered paths end in a slash.
    bool operator()(const Beginning &beginning, const std::u16string &key) const
    {
      return key.size() == beginning.path.size() + 1 && key.starts_with(beginning.path);
    }
    bool operator()(const std::u16string &key, const Beginning &beginning) const { return (*this)(beginning, key); }
  };
  // Paths of one host: by key, and the lengths that occur, longest first.
  struct Paths {
    std::unordered_map<std::u16string, Route, PathHasher, PathEqual> routes;
    std::vector<size_t> lengths;
    void add(const std::u16string &path_key, const Route &route);
    const Route *find(std::u16string_view path_key) const;
  };
  struct Port {
    bool is_https = false;
    Paths strong, weak;
    std::unordered_map<std::string, Paths> names;
    std::map<IpAddress, Paths> addresses;
    std::vector<std::string> texts;
  };
  const Port *find_port(uint16_t port) const;
  std::unordered_map<uint16_t, std::shared_ptr<const Port>> m_ports; // several snapshots share them
};

// Makes a snapshot that differs from another in some ports alone and shares the others with it, so that a change costs what its ports
// have; piece by piece, since that may be much.
class UrlTree::Builder {
public:
  explicit Builder(const UrlTree &before);
  // All that a port has from now on, between the two; nothing: it leaves the tree.
  void begin(uint16_t port);
  void add(const Registration &registration);
  void end();
  RefPtr<UrlTree> finish() { return std::move(m_tree); }

private:
  RefPtr<UrlTree> m_tree;
  uint16_t m_number = 0;
  std::shared_ptr<Port> m_port;
};

}
