// SPDX-License-Identifier: GPL-3.0-or-later
// Request images for tests: what httpsysd would put into a block for a request that is described in a few words.
#pragma once
#include "uapi/layout.h"
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

struct FakeRequest {
  uint64_t request_id = 0x1001, connection_id = 0x2002, raw_connection_id = 0x3003, url_context = 0;
  uint32_t verb = 4; // HttpVerbGET
  std::string unknown_verb = "";
  std::string raw_url = "/path?x=1";
  std::u16string host = u"localhost:8080", path = u"/path", query = u"?x=1";
  std::map<int, std::string> known = {};
  std::vector<std::pair<std::string, std::string>> unknown = {};
  std::string body = "";     // what COPY_BODY delivers
  bool has_more_body = false;
  bool is_ipv6 = false;
  bool is_tls = false;
  std::string certificate = ""; // DER; none when empty
  uint32_t certificate_flags = 0;
};

class ImageBuilder {
public:
  explicit ImageBuilder(const FakeRequest &request, bool version_1 = false) : m_bytes(sizeof(hsys_request), 0)
  {
    hsys_request image{};
    image.version = 1;
    image.connection_id = request.connection_id;
    image.request_id = request.request_id;
    image.url_context = request.url_context;
    image.raw_connection_id = request.raw_connection_id;
    image.bytes_received = 321;
    image.flags = request.has_more_body ? HSYS_REQUEST_MORE_BODY : 0;
    image.verb = request.verb;
    image.version_major = image.version_minor = 1;
    image.unknown_count = static_cast<uint32_t>(request.unknown.size());
    image.unknown_offset = sizeof image;
    m_bytes.resize(sizeof image + image.unknown_count * sizeof(hsys_request_header));
    if (!request.unknown_verb.empty())
      image.unknown_verb = put(request.unknown_verb);
    image.raw_url = put(request.raw_url);
    put_url(image, request);
    for (auto &[id, value] : request.known)
      image.known[id] = put(value);
    for (size_t i = 0; i < request.unknown.size(); i++) {
      hsys_request_header header{put(request.unknown[i].first), put(request.unknown[i].second)};
      memcpy(&m_bytes[sizeof image + i * sizeof header], &header, sizeof header);
    }
    put_addresses(image, request.is_ipv6);
    put_tls(image, request);
    if (!request.body.empty())
      image.body = put(request.body);
    image.size = static_cast<uint32_t>(m_bytes.size());
    memcpy(m_bytes.data(), &image, sizeof image);
    auto *headers = reinterpret_cast<const hsys_request_header *>(m_bytes.data() + sizeof image);
    m_native_size = hsys_native_request_size(&image, headers, version_1);
    reinterpret_cast<hsys_request *>(m_bytes.data())->native_size = m_native_size;
  }
  std::string bytes() const { return {m_bytes.begin(), m_bytes.end()}; }
  std::vector<uint8_t> &vector() { return m_bytes; }
  hsys_request &image() { return *reinterpret_cast<hsys_request *>(m_bytes.data()); }
  uint32_t native_size() const { return m_native_size; } // without a chunk

private:
  hsys_text put(const std::string &text, size_t terminator = 1)
  {
    hsys_text result{static_cast<uint32_t>(m_bytes.size()), static_cast<uint32_t>(text.size())};
    m_bytes.insert(m_bytes.end(), text.begin(), text.end());
    m_bytes.resize(m_bytes.size() + terminator);
    return result;
  }
  void put_url(hsys_request &image, const FakeRequest &request)
  {
    std::u16string url = (request.is_tls ? u"https://" : u"http://");
    uint32_t scheme = static_cast<uint32_t>(url.size() * 2);
    url += request.host + request.path + request.query;
    m_bytes.resize((m_bytes.size() + 1) / 2 * 2);
    image.url = put({reinterpret_cast<const char *>(url.data()), url.size() * 2}, 2);
    image.host_offset = scheme;
    image.host_length = static_cast<uint32_t>(request.host.size() * 2);
    image.path_offset = image.host_offset + image.host_length;
    image.path_length = static_cast<uint32_t>(request.path.size() * 2);
    image.query_length = static_cast<uint32_t>(request.query.size() * 2);
    image.query_offset = image.query_length ? image.path_offset + image.path_length : 0;
  }
  void put_addresses(hsys_request &image, bool is_ipv6)
  {
    image.remote.family = image.local.family = is_ipv6 ? 10 : 2;
    image.remote.port = 50123;
    image.local.port = 8080;
    for (uint8_t i = 0; i < 16; i++)
      image.remote.bytes[i] = static_cast<uint8_t>(0x20 + i), image.local.bytes[i] = static_cast<uint8_t>(0x40 + i);
  }
  void put_tls(hsys_request &image, const FakeRequest &request)
  {
    if (!request.is_tls)
      return;
    image.flags |= HSYS_REQUEST_TLS;
    image.server_key_bits = 2048;
    image.connection_key_bits = 256;
    image.server_issuer = put("CN=Test CA");
    image.server_subject = put("CN=localhost");
    if (request.certificate.empty())
      return;
    image.flags |= HSYS_REQUEST_CLIENT_CERTIFICATE;
    image.client_certificate = put(request.certificate);
    image.client_certificate_flags = request.certificate_flags;
  }

  std::vector<uint8_t> m_bytes;
  uint32_t m_native_size = 0;
};
