// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/request_image.h"
#include "uapi/layout.h"
#include <cstring>

namespace httpsys::http {

namespace {

// Appends strings behind the fixed part. Offsets stay valid while the vector grows.
class ImageWriter {
public:
  explicit ImageWriter(size_t expected)
  {
    m_bytes.reserve(expected);
    m_bytes.resize(sizeof(hsys_request));
  }

  hsys_text text(std::string_view value)
  {
    hsys_text place{static_cast<uint32_t>(m_bytes.size()), static_cast<uint32_t>(value.size())};
    m_bytes.insert(m_bytes.end(), value.begin(), value.end());
    m_bytes.push_back(0);
    return place;
  }

  hsys_text wide_text(std::u16string_view value)
  {
    align(2);
    hsys_text place{static_cast<uint32_t>(m_bytes.size()), static_cast<uint32_t>(value.size() * 2)};
    m_bytes.resize(m_bytes.size() + value.size() * 2 + 2);
    std::memcpy(m_bytes.data() + place.offset, value.data(), value.size() * 2);
    return place;
  }

  hsys_text merged_value(const http1::RequestHead &head, const http1::HeaderField &field, std::string_view buffer)
  {
    hsys_text place{static_cast<uint32_t>(m_bytes.size()), field.merged_length};
    m_bytes.resize(m_bytes.size() + field.merged_length + 1);
    head.copy_value(field, buffer, reinterpret_cast<char *>(m_bytes.data() + place.offset));
    return place;
  }

  hsys_text bytes(std::span<const uint8_t> value)
  {
    hsys_text place{static_cast<uint32_t>(m_bytes.size()), static_cast<uint32_t>(value.size())};
    m_bytes.insert(m_bytes.end(), value.begin(), value.end());
    return place;
  }

  uint32_t array(const std::vector<hsys_request_header> &headers)
  {
    align(8);
    auto offset = static_cast<uint32_t>(m_bytes.size());
    m_bytes.resize(m_bytes.size() + headers.size() * sizeof(hsys_request_header));
    if (!headers.empty())
      std::memcpy(m_bytes.data() + offset, headers.data(), headers.size() * sizeof(hsys_request_header));
    return offset;
  }

  std::vector<uint8_t> finish(hsys_request &image)
  {
    image.size = static_cast<uint32_t>(m_bytes.size());
    std::memcpy(m_bytes.data(), &image, sizeof image);
    return std::move(m_bytes);
  }

private:
  void align(size_t alignment) { m_bytes.resize((m_bytes.size() + alignment - 1) / alignment * alignment); }
  std::vector<uint8_t> m_bytes;
};

hsys_address address_of(const Endpoint &endpoint)
{
  hsys_address address{};
  address.family = endpoint.address.is_v6 ? 10 : 2;
  address.port = endpoint.port;
  std::memcpy(address.bytes, endpoint.address.bytes.data(), sizeof address.bytes);
  return address;
}

void write_url(ImageWriter &writer, const url::CookedUrl &url, hsys_request &image)
{
  image.url = writer.wide_text(url.text);
  image.host_offset = url.host_offset * 2;
  image.host_length = url.host_length * 2;
  image.path_offset = url.path_offset * 2;
  image.path_length = url.path_length * 2;
  image.query_offset = url.query_length > 0 ? url.query_offset * 2 : 0;
  image.query_length = url.query_length * 2;
}

void write_headers(ImageWriter &writer, const http1::RequestHead &head, std::string_view buffer,
                   std::vector<hsys_request_header> &unknown, hsys_request &image)
{
  for (const http1::HeaderField &field : head.fields) {
    if (!field.is_first)
      continue;
    if (field.id != http1::RequestHeader::Unknown) {
      image.known[static_cast<size_t>(field.id)] = writer.merged_value(head, field, buffer);
      continue;
    }
    hsys_request_header header;
    header.name = writer.text(field.name().of(buffer));
    header.value = writer.merged_value(head, field, buffer);
    unknown.push_back(header);
  }
  image.unknown_count = static_cast<uint32_t>(unknown.size());
  image.unknown_offset = unknown.empty() ? 0 : writer.array(unknown);
}

void write_tls(ImageWriter &writer, const ImageFacts &facts, hsys_request &image)
{
  image.flags |= HSYS_REQUEST_TLS;
  image.server_key_bits = facts.server_key_bits;
  image.connection_key_bits = facts.connection_key_bits;
  image.tls_version = facts.tls_version;
  image.tls_cipher_suite = facts.tls_cipher_suite;
  image.server_issuer = writer.text(facts.server_issuer);
  image.server_subject = writer.text(facts.server_subject);
  if (facts.client_certificate.empty())
    return;
  image.flags |= HSYS_REQUEST_CLIENT_CERTIFICATE;
  image.client_certificate = writer.bytes(facts.client_certificate);
  image.client_certificate_flags = facts.client_certificate_flags;
}

}

std::vector<uint8_t> build_request_image(const http1::RequestHead &head, std::string_view buffer, const url::CookedUrl &url,
                                         const ImageFacts &facts)
{
  static thread_local std::vector<hsys_request_header> unknown;
  unknown.clear();
  hsys_request image{};
  ImageWriter writer(sizeof image + head.head_bytes + url.text.size() * 2 + head.fields.size() * sizeof(hsys_request_header) +
                     facts.client_certificate.size() + 512);
  image.version = 1;
  image.connection_id = facts.connection_id;
  image.request_id = facts.request_id;
  image.raw_connection_id = facts.raw_connection_id;
  image.url_context = facts.url_context;
  image.bytes_received = facts.bytes_received;
  image.flags = (head.has_body() ? HSYS_REQUEST_MORE_BODY : 0) | (facts.is_ip_routed ? HSYS_REQUEST_IP_ROUTED : 0);
  image.verb = static_cast<uint32_t>(head.verb);
  image.version_major = 1;
  image.version_minor = head.version_minor;
  image.remote = address_of(facts.remote);
  image.local = address_of(facts.local);
  if (head.verb == http1::Verb::Unknown)
    image.unknown_verb = writer.text(head.method.of(buffer));
  image.raw_url = writer.text(head.target.of(buffer));
  write_url(writer, url, image);
  write_headers(writer, head, buffer, unknown, image);
  if (facts.is_tls)
    write_tls(writer, facts, image);
  image.native_size = hsys_native_request_size(&image, unknown.data(), 0);
  return writer.finish(image);
}

}
