// SPDX-License-Identifier: GPL-3.0-or-later
// BindingTable: which TLS context serves a new connection, by local address and server name. An immutable snapshot: the configuration
// manager builds a new one after every change and hands it to all cores; connections in progress keep the one that they began with.
#pragma once
#include "kernel/base/ip_address.h"
#include "kernel/base/refptr.h"
#include "kernel/tls/tls_context.h"
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace httpsys::tls {

class BindingTable final : public AtomicRefCounted<BindingTable> {
public:
  struct AddressRecord {
    Endpoint endpoint; // the address may be 0.0.0.0 or [::]
    RefPtr<TlsContext> context;
  };
  struct NameRecord {
    std::string host; // "www.example.org" or "*.example.org"; any case
    uint16_t port = 0;
    RefPtr<TlsContext> context;
  };

  // Of two records with one key the later one counts (the configuration manager refuses duplicates before).
  static RefPtr<BindingTable> create(std::vector<AddressRecord> addresses, std::vector<NameRecord> names);

  // Order (design: TLS binding lookup): exact address ([::1] also takes 127.0.0.1's record), server name (exact, then "*." in place of
  // the first label), wildcard address of the connection's family, then of the other. sni is empty when the client sent none;
  // a trailing dot is ignored. Null: no record, the handshake must be closed.
  RefPtr<TlsContext> find(const Endpoint &local, std::string_view sni) const;

  size_t size() const { return m_addresses.size() + m_names.size(); }
  // Whether a connection to this port could find a context at all: cheap check before a listener is told to expect TLS.
  bool serves_port(uint16_t port) const;

private:
  friend class AtomicRefCounted<BindingTable>;
  BindingTable() = default;
  ~BindingTable() = default;
  RefPtr<TlsContext> find_address(const IpAddress &address, uint16_t port) const;
  RefPtr<TlsContext> find_name(std::string_view name, uint16_t port) const;

  std::map<Endpoint, RefPtr<TlsContext>> m_addresses;
  std::map<std::pair<uint16_t, std::string>, RefPtr<TlsContext>, std::less<>> m_names; // lower case
};

}
