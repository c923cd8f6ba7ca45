// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/tls/binding_table.h"

namespace httpsys::tls {

namespace {

// ASCII only: a server name is A-labels (RFC 6066 3).
std::string lower_case(std::string_view text)
{
  std::string lower(text);
  for (char &letter : lower)
    if (letter >= 'A' && letter <= 'Z')
      letter = static_cast<char>(letter + ('a' - 'A'));
  return lower;
}

std::string normal_name(std::string_view name)
{
  if (name.ends_with('.'))
    name.remove_suffix(1);
  return lower_case(name);
}

}

RefPtr<BindingTable> BindingTable::create(std::vector<AddressRecord> addresses, std::vector<NameRecord> names)
{
  RefPtr<BindingTable> table = RefPtr<BindingTable>::adopt(new BindingTable);
  for (AddressRecord &record : addresses)
    table->m_addresses.insert_or_assign(record.endpoint, std::move(record.context));
  for (NameRecord &record : names)
    table->m_names.insert_or_assign({record.port, normal_name(record.host)}, std::move(record.context));
  return table;
}

RefPtr<TlsContext> BindingTable::find_address(const IpAddress &address, uint16_t port) const
{
  auto found = m_addresses.find(Endpoint{address, port});
  return found == m_addresses.end() ? nullptr : found->second;
}

RefPtr<TlsContext> BindingTable::find_name(std::string_view name, uint16_t port) const
{
  std::string key = normal_name(name);
  if (key.find('*') != std::string::npos) // a record is no name that a client can ask for
    return nullptr;
  if (auto found = m_names.find({port, key}); found != m_names.end())
    return found->second;
  size_t dot = key.find('.');
  if (dot == std::string::npos || dot == 0)
    return nullptr;
  key.replace(0, dot, 1, '*');
  auto found = m_names.find({port, key});
  return found == m_names.end() ? nullptr : found->second;
}

RefPtr<TlsContext> BindingTable::find(const Endpoint &local, std::string_view sni) const
{
  if (RefPtr<TlsContext> exact = find_address(local.address, local.port))
    return exact;
  // A program that listens on "localhost" is reached by whichever of the two addresses the client's resolver names first.
  if (local.address == IpAddress::loopback(true))
    if (RefPtr<TlsContext> other = find_address(IpAddress::loopback(false), local.port))
      return other;
  if (!sni.empty())
    if (RefPtr<TlsContext> named = find_name(sni, local.port))
      return named;
  if (RefPtr<TlsContext> own_family = find_address(IpAddress::any(local.address.is_v6), local.port))
    return own_family;
  return find_address(IpAddress::any(!local.address.is_v6), local.port);
}

bool BindingTable::serves_port(uint16_t port) const
{
  for (const auto &[endpoint, context] : m_addresses)
    if (endpoint.port == port)
      return true;
  auto name = m_names.lower_bound({port, std::string()});
  return name != m_names.end() && name->first.first == port;
}

}
