// SPDX-License-Identifier: MIT
#include "lib/unmarshal_request.h"
#include "lib/ssl_protocol_info.h"
#include "uapi/layout.h"
#include <algorithm>
#include <cstring>

namespace httpsys::lib {

static_assert(sizeof(HTTP_REQUEST_V1) == HSYS_NATIVE_REQUEST_V1);
static_assert(sizeof(HTTP_REQUEST_V2) == HSYS_NATIVE_REQUEST_V2);
static_assert(sizeof(HTTP_UNKNOWN_HEADER) == HSYS_NATIVE_UNKNOWN_HEADER);
static_assert(sizeof(HTTP_SSL_INFO) == HSYS_NATIVE_SSL_INFO);
static_assert(sizeof(HTTP_SSL_CLIENT_CERT_INFO) == HSYS_NATIVE_CLIENT_CERT_INFO);
static_assert(sizeof(HTTP_DATA_CHUNK) == HSYS_NATIVE_DATA_CHUNK);
static_assert(sizeof(HTTP_REQUEST_INFO) == HSYS_NATIVE_REQUEST_INFO);
static_assert(sizeof(HTTP_SSL_PROTOCOL_INFO) <= HSYS_NATIVE_SSL_PROTOCOL_INFO);
static_assert(HttpHeaderRequestMaximum == HSYS_REQUEST_HEADERS_KNOWN);

namespace {

constexpr uint32_t kLengthMax = 0xffff; // lengths in HTTP_REQUEST have 16 bits

bool lies_within(hsys_text text, size_t size)
{
  return text.offset <= size && text.length <= size - text.offset && (text.offset || !text.length);
}

// One pass over the image; positions are offsets in the caller's buffer, which may be aligned to 4 bytes only: structures are built
// beside it and copied.
class Writer {
public:
  Writer(std::span<const uint8_t> bytes, bool version_1, void *buffer) :
    m_bytes(bytes), m_version_1(version_1), m_buffer(static_cast<uint8_t *>(buffer))
  {
  }

  bool load();
  uint32_t size() const { return m_size; }
  void write();

private:
  bool check_texts() const;
  hsys_request_header header(uint32_t index) const;
  template <typename T>
  T *reserve(uint32_t count = 1);
  template <typename T>
  void put(T *position, const T &value) { memcpy(static_cast<void *>(position), &value, sizeof value); }
  PCSTR put_string(hsys_text text);
  PUCHAR put_bytes(hsys_text text);
  PSOCKADDR put_address(PSOCKADDR position, const hsys_address &address);
  PSOCKADDR reserve_address(const hsys_address &address);
  void write_url(HTTP_COOKED_URL &url);
  void write_headers(HTTP_REQUEST_HEADERS &headers, PHTTP_UNKNOWN_HEADER unknown);
  void write_protocol(HTTP_REQUEST_V2 &native);
  void write_tls(PHTTP_SSL_INFO position, PHTTP_SSL_CLIENT_CERT_INFO certificate_position);

  std::span<const uint8_t> m_bytes;
  bool m_version_1;
  uint8_t *m_buffer;
  hsys_request m_image{};
  uint32_t m_size = 0, m_used = 0;
};

// Everything that is used later as an offset or a length. Texts do not overlap, so that their sum cannot overflow either.
bool Writer::check_texts() const
{
  size_t size = m_bytes.size();
  uint64_t sum = 0;
  bool is_sane = true;
  auto check = [&](hsys_text text, uint32_t most) {
    is_sane &= lies_within(text, size) && text.length <= most;
    sum += text.length;
  };
  for (hsys_text text : {m_image.body, m_image.server_issuer, m_image.server_subject, m_image.client_certificate})
    check(text, HSYS_BLOCK_MAX);
  for (hsys_text text : {m_image.unknown_verb, m_image.raw_url, m_image.url})
    check(text, kLengthMax);
  for (hsys_text text : m_image.known)
    check(text, kLengthMax);
  for (uint32_t i = 0; i < m_image.unknown_count; i++) {
    check(header(i).name, kLengthMax);
    check(header(i).value, kLengthMax);
  }
  return is_sane && sum <= size &&
    m_image.host_offset <= m_image.url.length && m_image.host_length <= m_image.url.length - m_image.host_offset &&
    m_image.path_offset <= m_image.url.length && m_image.path_length <= m_image.url.length - m_image.path_offset &&
    m_image.query_offset <= m_image.url.length && m_image.query_length <= m_image.url.length - m_image.query_offset;
}

bool Writer::load()
{
  if (m_bytes.size() < sizeof m_image)
    return false;
  memcpy(&m_image, m_bytes.data(), sizeof m_image);
  if (m_image.size != m_bytes.size() || m_image.version != 1 || m_image.unknown_count > kLengthMax ||
      m_image.unknown_offset % alignof(hsys_request_header) || m_image.unknown_offset > m_bytes.size() ||
      m_image.unknown_count > (m_bytes.size() - m_image.unknown_offset) / sizeof(hsys_request_header) || !check_texts())
    return false;
  const hsys_request_header *headers = reinterpret_cast<const hsys_request_header *>(m_bytes.data() + m_image.unknown_offset);
  m_size = hsys_native_request_size(&m_image, headers, m_version_1);
  if (m_image.body.length)
    m_size += HSYS_NATIVE_DATA_CHUNK + m_image.body.length;
  return true;
}

hsys_request_header Writer::header(uint32_t index) const
{
  hsys_request_header unknown;
  memcpy(&unknown, m_bytes.data() + m_image.unknown_offset + index * sizeof unknown, sizeof unknown);
  return unknown;
}

template <typename T>
T *Writer::reserve(uint32_t count)
{
  T *position = reinterpret_cast<T *>(m_buffer + m_used);
  m_used += count * static_cast<uint32_t>(sizeof(T));
  return position;
}

PUCHAR Writer::put_bytes(hsys_text text)
{
  uint8_t *position = m_buffer + m_used;
  memcpy(position, m_bytes.data() + text.offset, text.length);
  m_used += text.length;
  return position;
}

PCSTR Writer::put_string(hsys_text text)
{
  if (!text.offset)
    return nullptr;
  PCSTR position = reinterpret_cast<PCSTR>(put_bytes(text));
  m_buffer[m_used++] = 0;
  return position;
}

PSOCKADDR Writer::reserve_address(const hsys_address &address)
{
  uint32_t size = hsys_native_address_size(&address);
  return size ? reinterpret_cast<PSOCKADDR>(reserve<uint8_t>(size)) : nullptr;
}

PSOCKADDR Writer::put_address(PSOCKADDR position, const hsys_address &address)
{
  if (!position)
    return nullptr;
  uint16_t port = static_cast<uint16_t>(address.port << 8 | address.port >> 8);
  if (address.family == AF_INET) {
    sockaddr_in native{};
    native.sin_family = AF_INET;
    native.sin_port = port;
    memcpy(&native.sin_addr, address.bytes, sizeof native.sin_addr);
    memcpy(static_cast<void *>(position), &native, sizeof native);
  } else {
    sockaddr_in6 native{};
    native.sin6_family = AF_INET6;
    native.sin6_port = port;
    memcpy(&native.sin6_addr, address.bytes, sizeof native.sin6_addr);
    memset(static_cast<void *>(position), 0, hsys_native_address_size(&address));
    memcpy(static_cast<void *>(position), &native, sizeof native);
  }
  return position;
}

void Writer::write_url(HTTP_COOKED_URL &url)
{
  if (!m_image.url.offset)
    return;
  uint8_t *text = put_bytes(m_image.url);
  m_buffer[m_used++] = 0;
  m_buffer[m_used++] = 0;
  url.FullUrlLength = static_cast<USHORT>(m_image.url.length);
  url.pFullUrl = reinterpret_cast<PCWSTR>(text);
  url.HostLength = static_cast<USHORT>(m_image.host_length);
  url.pHost = reinterpret_cast<PCWSTR>(text + m_image.host_offset);
  url.AbsPathLength = static_cast<USHORT>(m_image.path_length);
  url.pAbsPath = reinterpret_cast<PCWSTR>(text + m_image.path_offset);
  url.QueryStringLength = static_cast<USHORT>(m_image.query_length);
  url.pQueryString = m_image.query_length ? reinterpret_cast<PCWSTR>(text + m_image.query_offset) : nullptr;
}

// Present and empty: a known header has a pointer to "" and no length, an unknown one no pointer (http-server-api.md 3.3).
void Writer::write_headers(HTTP_REQUEST_HEADERS &headers, PHTTP_UNKNOWN_HEADER unknown)
{
  for (uint32_t id = 0; id < HSYS_REQUEST_HEADERS_KNOWN; id++) {
    headers.KnownHeaders[id].pRawValue = put_string(m_image.known[id]);
    headers.KnownHeaders[id].RawValueLength = static_cast<USHORT>(m_image.known[id].length);
  }
  headers.UnknownHeaderCount = static_cast<USHORT>(m_image.unknown_count);
  headers.pUnknownHeaders = m_image.unknown_count ? unknown : nullptr;
  for (uint32_t i = 0; i < m_image.unknown_count; i++) {
    hsys_request_header source = header(i);
    HTTP_UNKNOWN_HEADER native{};
    native.NameLength = static_cast<USHORT>(source.name.length);
    native.pName = put_string(source.name);
    native.RawValueLength = static_cast<USHORT>(source.value.length);
    PCSTR value = put_string(source.value);
    native.pRawValue = native.RawValueLength ? value : nullptr;
    put(&unknown[i], native);
  }
}

// The one record of the request info array; V1 has no such array.
void Writer::write_protocol(HTTP_REQUEST_V2 &native)
{
  PHTTP_REQUEST_INFO record = reserve<HTTP_REQUEST_INFO>();
  uint8_t *position = reserve<uint8_t>(HSYS_NATIVE_SSL_PROTOCOL_INFO);
  HTTP_SSL_PROTOCOL_INFO protocol = ssl_protocol_info(m_image.tls_version, m_image.tls_cipher_suite);
  memset(position, 0, HSYS_NATIVE_SSL_PROTOCOL_INFO);
  memcpy(position, &protocol, sizeof protocol);
  put(record, HTTP_REQUEST_INFO{HttpRequestInfoTypeSslProtocol, sizeof protocol, position});
  native.RequestInfoCount = 1;
  native.pRequestInfo = record;
}

void Writer::write_tls(PHTTP_SSL_INFO position, PHTTP_SSL_CLIENT_CERT_INFO certificate_position)
{
  if (m_image.flags & HSYS_REQUEST_TLS) {
    HTTP_SSL_INFO native{};
    native.ServerCertKeySize = static_cast<USHORT>(std::min(m_image.server_key_bits, kLengthMax));
    native.ConnectionKeySize = static_cast<USHORT>(std::min(m_image.connection_key_bits, kLengthMax));
    native.ServerCertIssuerSize = m_image.server_issuer.length;
    native.pServerCertIssuer = put_string(m_image.server_issuer);
    native.ServerCertSubjectSize = m_image.server_subject.length;
    native.pServerCertSubject = put_string(m_image.server_subject);
    native.SslClientCertNegotiated = certificate_position != nullptr;
    native.pClientCertInfo = certificate_position;
    put(position, native);
  }
  if (certificate_position) {
    HTTP_SSL_CLIENT_CERT_INFO native{};
    native.CertFlags = m_image.client_certificate_flags;
    native.CertEncodedSize = m_image.client_certificate.length;
    native.pCertEncoded = put_bytes(m_image.client_certificate);
    put(certificate_position, native);
  }
}

void Writer::write()
{
  bool is_tls = m_image.flags & HSYS_REQUEST_TLS;
  bool has_certificate = m_image.flags & HSYS_REQUEST_CLIENT_CERTIFICATE;
  HTTP_REQUEST_V2 native{};
  m_used = request_structure_size(m_version_1);
  if (is_tls && !m_version_1)
    write_protocol(native);
  PHTTP_UNKNOWN_HEADER unknown = reserve<HTTP_UNKNOWN_HEADER>(m_image.unknown_count);
  PHTTP_SSL_INFO tls = is_tls ? reserve<HTTP_SSL_INFO>() : nullptr;
  PHTTP_SSL_CLIENT_CERT_INFO certificate = has_certificate ? reserve<HTTP_SSL_CLIENT_CERT_INFO>() : nullptr;
  native.Address.pRemoteAddress = put_address(reserve_address(m_image.remote), m_image.remote);
  native.Address.pLocalAddress = put_address(reserve_address(m_image.local), m_image.local);
  PHTTP_DATA_CHUNK chunk = m_image.body.length ? reserve<HTTP_DATA_CHUNK>() : nullptr;

  write_url(native.CookedUrl);
  native.pUnknownVerb = put_string(m_image.unknown_verb);
  native.UnknownVerbLength = static_cast<USHORT>(m_image.unknown_verb.length);
  native.pRawUrl = put_string(m_image.raw_url);
  native.RawUrlLength = static_cast<USHORT>(m_image.raw_url.length);
  write_headers(native.Headers, unknown);
  write_tls(tls, certificate);
  if (chunk) {
    HTTP_DATA_CHUNK body{};
    body.DataChunkType = HttpDataChunkFromMemory;
    body.FromMemory.BufferLength = m_image.body.length;
    body.FromMemory.pBuffer = put_bytes(m_image.body);
    put(chunk, body);
    native.EntityChunkCount = 1;
    native.pEntityChunks = chunk;
  }
  native.Flags = m_image.flags & 0xffffu;
  native.ConnectionId = m_image.connection_id;
  native.RequestId = m_image.request_id;
  native.UrlContext = m_image.url_context;
  native.Version = {m_image.version_major, m_image.version_minor};
  native.Verb = static_cast<HTTP_VERB>(m_image.verb);
  native.BytesReceived = m_image.bytes_received;
  native.RawConnectionId = m_image.raw_connection_id;
  native.pSslInfo = tls;
  memcpy(m_buffer, &native, request_structure_size(m_version_1));
}

}

uint32_t unmarshal_request(std::span<const uint8_t> image, bool version_1, void *buffer, uint32_t size)
{
  Writer writer(image, version_1, buffer);
  if (!writer.load() || writer.size() > size)
    return 0;
  writer.write();
  return writer.size();
}

void write_request_ids(bool version_1, void *buffer, uint64_t request_id, uint64_t connection_id)
{
  HTTP_REQUEST_V2 native{};
  native.RequestId = request_id;
  native.ConnectionId = connection_id;
  memcpy(buffer, &native, request_structure_size(version_1));
}

}
