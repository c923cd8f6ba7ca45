// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/cooked_url.h"
#include "kernel/limits.h"
#include "kernel/url/utf.h"
#include <charconv>

namespace httpsys::url {

static void append_octets(std::string_view octets, std::u16string &out)
{
  size_t start = out.size();
  out.resize(start + octets.size());
  for (size_t index = 0; index < octets.size(); index++)
    out[start + index] = static_cast<uint8_t>(octets[index]);
}

static bool append_host(const Host &host, const Endpoint &local, std::u16string &out)
{
  if (host.kind != HostKind::Empty)
    return append_utf16(host.text, out);
  std::string address = local.address.to_string();
  append_octets(local.address.is_v6 ? '[' + address + ']' : address, out);
  return true;
}

bool build_cooked_url(bool is_https, const Host &host, const Endpoint &local, std::u16string_view path, std::string_view query,
  CookedUrl &result)
{
  auto length = [&] { return static_cast<uint32_t>(result.text.size()); };
  if (path.size() > limits::kCookedUrlMaxLength || query.size() > limits::kCookedUrlMaxLength)
    return false;
  result.text.assign(is_https ? u"https://" : u"http://");
  result.host_offset = length();
  if (!append_host(host, local, result.text))
    return false;
  char port[6] = ":";
  auto [end, error] = std::to_chars(port + 1, port + sizeof port, host.port != 0 ? host.port : local.port);
  append_octets({port, static_cast<size_t>(end - port)}, result.text);
  result.host_length = length() - result.host_offset;
  result.path_offset = length();
  result.text.append(path);
  result.path_length = length() - result.path_offset;
  result.query_offset = length();
  append_octets(query, result.text);
  result.query_length = length() - result.query_offset;
  return result.text.size() <= limits::kCookedUrlMaxLength;
}

}
