// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/prefix.h"
#include "kernel/limits.h"
#include "kernel/url/case_map.h"
#include "kernel/url/host.h"
#include "kernel/url/percent.h"
#include "kernel/url/utf.h"
#include <fmt/format.h>

namespace httpsys::url {

static std::u16string widened(std::string_view ascii) { return std::u16string(ascii.begin(), ascii.end()); }

class PrefixParser {
public:
  PrefixParser(std::u16string_view text, std::string &reason) : m_text(text), m_reason(reason) {}
  Result<UrlPrefix> run();

private:
  bool take_scheme();
  bool take_authority();
  bool take_port(std::u16string_view port);
  bool take_host(std::u16string_view host);
  bool take_ip_literal(std::u16string_view host, const IpAddress &address);
  bool take_path();
  bool check_path_characters();
  bool check_segments();
  // Sets the reason to: the text in quotes, a blank, what.
  bool refuse(std::string what);
  std::u16string_view scheme() const { return m_prefix.m_is_https ? u"https://" : u"http://"; }
  // The example of a reason text: scheme, authority and path put together.
  std::string example(std::u16string_view authority, std::u16string_view path) const;

  std::u16string_view m_text;
  std::string &m_reason;
  std::u16string_view m_authority;
  std::u16string_view m_path;
  UrlPrefix m_prefix;
};

Result<UrlPrefix> PrefixParser::run()
{
  if (m_text.size() > limits::kUrlPrefixMaxLength) {
    refuse(fmt::format("is longer than {} characters (kUrlPrefixMaxLength).", limits::kUrlPrefixMaxLength));
    return NtStatus::InvalidParameter;
  }
  if (!take_scheme() || !take_authority() || !take_path())
    return NtStatus::InvalidParameter;
  m_prefix.m_text = m_text;
  m_prefix.m_path_offset = m_text.size() - m_path.size();
  m_prefix.m_path_key = to_upper(m_path);
  return std::move(m_prefix);
}

bool PrefixParser::refuse(std::string what)
{
  m_reason = quoted(m_text) + ' ' + what;
  return false;
}

std::string PrefixParser::example(std::u16string_view authority, std::u16string_view path) const
{
  return quoted(std::u16string(scheme()).append(authority).append(path));
}

bool PrefixParser::take_scheme()
{
  for (bool is_https : {false, true}) {
    m_prefix.m_is_https = is_https;
    std::u16string_view wanted = scheme();
    if (m_text.starts_with(wanted)) {
      m_path = m_text.substr(wanted.size());
      return true;
    }
    if (to_upper(m_text.substr(0, wanted.size())) == to_upper(wanted))
      return refuse("has its scheme in upper case; it must be lower case. Use " + example(m_text.substr(wanted.size()), u"") + ".");
  }
  return refuse("begins neither with \"http://\" nor with \"https://\". A URL prefix looks like \"http://+:8080/app/\".");
}

bool PrefixParser::take_authority()
{
  size_t end = std::min(m_path.find_first_of(u"/?#\\"), m_path.size());
  m_authority = m_path.substr(0, end);
  m_path.remove_prefix(end);
  if (m_authority.find(u'@') != m_authority.npos)
    return refuse("has a user name in front of its host; a URL prefix has none.");
  size_t bracket = m_authority.starts_with(u'[') ? m_authority.find(u']') : 0;
  if (bracket == m_authority.npos)
    return refuse("has a '[' without a ']'.");
  size_t colon = m_authority.find(u':', bracket);
  std::u16string_view host = m_authority.substr(0, colon);
  if (host.empty())
    return refuse("has no host. Use \"+\" for all hosts, as in " + example(u"+:8080", u"/app/") + ".");
  if (colon == m_authority.npos) {
    std::u16string with_port = std::u16string(m_authority) + (m_prefix.m_is_https ? u":443" : u":80");
    return refuse("has no port. Write " + example(with_port, m_path.starts_with(u'/') ? m_path : u"/") + ".");
  }
  bool is_bare_ipv6 = host[0] != u'[' && m_authority.find(u':', colon + 1) != m_authority.npos;
  if (is_bare_ipv6)
    return refuse("has more than one ':' behind its scheme; an IPv6 address must be in brackets, as in \"http://[::1]:8080/\".");
  return take_host(host) && take_port(m_authority.substr(colon + 1));
}

bool PrefixParser::take_port(std::u16string_view port)
{
  std::string digits;
  for (char16_t unit : port)
    digits += unit < 0x80 ? static_cast<char>(unit) : '?';
  auto number = parse_port(digits);
  if (!number)
    return refuse("has the port " + quoted(port) + "; a port is a decimal number from 1 to 65535 without leading zeros.");
  m_prefix.m_port = *number;
  return true;
}

bool PrefixParser::take_host(std::u16string_view host)
{
  if (host == u"+" || host == u"*") {
    m_prefix.m_host = host == u"+" ? PrefixHost::StrongWildcard : PrefixHost::WeakWildcard;
    return true;
  }
  if (host.find_first_of(u"+*") != host.npos)
    return refuse("has a wildcard inside its host; \"+\" and \"*\" stand alone.");
  std::string text;
  Host parsed;
  bool is_ipv6 = host[0] == u'[';
  if (!append_utf8(host, text))
    return refuse("has a host that is not valid UTF-16.");
  HostError error = is_ipv6 ? parse_host(text, parsed) : parse_host_name(text, parsed);
  if (error != HostError::None)
    return refuse("has the host " + quoted(host) + ": " + host_error_text(error) + ".");
  if (parsed.kind == HostKind::Name) {
    m_prefix.m_host = PrefixHost::Name;
    m_prefix.m_host_key = parsed.key;
    return true;
  }
  return take_ip_literal(host, parsed.address);
}

bool PrefixParser::take_ip_literal(std::u16string_view host, const IpAddress &address)
{
  if (address.is_any()) {
    std::u16string authority = u"+" + std::u16string(m_authority.substr(host.size()));
    return refuse("has the host " + quoted(host) + ", an address that no connection has. For all addresses use " +
      example(authority, m_path) + ".");
  }
  m_prefix.m_host = PrefixHost::IpLiteral;
  m_prefix.m_address = address;
  m_prefix.m_host_key = address.to_string();
  return true;
}

bool PrefixParser::take_path()
{
  if (!check_path_characters())
    return false;
  if (!m_path.ends_with(u'/'))
    return refuse("has no '/' at its end; a URL prefix must end in one. Use " + example(m_authority, std::u16string(m_path) + u'/') + ".");
  return check_segments();
}

bool PrefixParser::check_path_characters()
{
  for (size_t position = 0; position < m_path.size();) {
    CodePoint point = decode_utf16(m_path.substr(position));
    if (point.length == 0)
      return refuse("has a path that is not valid UTF-16.");
    if (point.value < 0x20 || (point.value >= 0x7f && point.value <= 0x9f))
      return refuse("has a control character in its path; no request path has one.");
    if (point.value == '?' || point.value == '#')
      return refuse(std::string("has a '") + static_cast<char>(point.value) + "'; a URL prefix has neither query nor fragment.");
    if (point.value == '\\')
      return refuse("has a '\\' in its path; the separator is '/'.");
    if (auto escape = point.value == '%' ? parse_escape(m_path.substr(position)) : std::nullopt)
      return refuse("has the escape " + quoted(m_path.substr(position, escape->length)) +
        "; a URL prefix holds the characters themselves, since request paths are decoded before they are compared.");
    position += point.length;
  }
  return true;
}

// What canonical request paths cannot have, a prefix cannot have.
bool PrefixParser::check_segments()
{
  size_t count = 0;
  for (size_t begin = 1; begin < m_path.size();) {
    size_t end = m_path.find(u'/', begin);
    std::u16string_view segment = m_path.substr(begin, end - begin);
    if (segment.empty())
      return refuse("has two slashes in a row in its path; request paths have them collapsed before they are compared.");
    if (segment == u"." || segment == u"..")
      return refuse("has a dot segment in its path; request paths have them removed before they are compared.");
    if (segment.size() > limits::kUrlSegmentMaxLength)
      return refuse(fmt::format("has a path segment of more than {} characters (kUrlSegmentMaxLength).", limits::kUrlSegmentMaxLength));
    if (++count > limits::kUrlSegmentMaxCount)
      return refuse(fmt::format("has more than {} path segments (kUrlSegmentMaxCount).", limits::kUrlSegmentMaxCount));
    begin = end + 1;
  }
  return true;
}

Result<UrlPrefix> UrlPrefix::parse(std::u16string_view text, std::string &reason) { return PrefixParser(text, reason).run(); }

std::string UrlPrefix::quoted_text() const { return quoted(m_text); }

std::u16string UrlPrefix::display_text() const { return to_upper(m_text); }

bool is_loopback_name(std::string_view host_key)
{
  return host_key == "localhost";
}

bool UrlPrefix::is_loopback_only() const
{
  return m_host == PrefixHost::Name ? is_loopback_name(m_host_key) : m_host == PrefixHost::IpLiteral && m_address.is_loopback();
}

bool UrlPrefix::is_same_as(const UrlPrefix &other) const
{
  return m_is_https == other.m_is_https && m_host == other.m_host && m_port == other.m_port && m_host_key == other.m_host_key &&
    m_path_key == other.m_path_key;
}

std::u16string UrlPrefix::key() const
{
  std::u16string host = m_host == PrefixHost::StrongWildcard ? u"+" : m_host == PrefixHost::WeakWildcard ? u"*" : widened(m_host_key);
  if (m_host == PrefixHost::IpLiteral && m_address.is_v6)
    host = u'[' + host + u']';
  return (m_is_https ? u"https://" : u"http://") + host + u':' + widened(std::to_string(m_port)) + m_path_key;
}

bool prefix_covers_path(std::u16string_view prefix_path_key, std::u16string_view request_path_key)
{
  if (request_path_key.starts_with(prefix_path_key))
    return true;
  return request_path_key.size() + 1 == prefix_path_key.size() && prefix_path_key.starts_with(request_path_key);
}

}
