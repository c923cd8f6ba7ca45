// SPDX-License-Identifier: MIT
#include "lib/include/http.h"
#include "lib/certificate_operation.h"
#include "uapi/layout.h"
#include "uapi/status.h"
#include <cstring>

namespace httpsys::lib {

static_assert(sizeof(HTTP_SSL_CLIENT_CERT_INFO) == HSYS_NATIVE_CLIENT_CERT_INFO);
static_assert(sizeof(HTTP_REQUEST_CHANNEL_BIND_STATUS) == HSYS_NATIVE_CHANNEL_BIND_STATUS);
static_assert(HTTP_RECEIVE_SECURE_CHANNEL_TOKEN == HSYS_CERTIFICATE_CHANNEL_TOKEN);
static_assert(HTTP_RECEIVE_FULL_CHAIN == HSYS_CERTIFICATE_FULL_CHAIN);

namespace {

constexpr uint32_t kSuccess = HSYS_STATUS_SUCCESS, kMoreData = static_cast<uint32_t>(HSYS_STATUS_BUFFER_OVERFLOW),
                   kNonsense = static_cast<uint32_t>(HSYS_STATUS_IO_DEVICE_ERROR);

// The certificate of an image; empty when it has none, or is not what the ABI says.
std::span<const uint8_t> certificate_of(std::span<const uint8_t> image, uint32_t &cert_flags)
{
  hsys_certificate head;
  if (image.size() < sizeof head)
    return {};
  memcpy(&head, image.data(), sizeof head);
  if (head.version != 1 || head.data.offset < sizeof head || head.data.offset > image.size() ||
      head.data.length > image.size() - head.data.offset)
    return {};
  cert_flags = head.cert_flags;
  return image.subspan(head.data.offset, head.data.length);
}

}

CertificateOperation::CertificateOperation(RequestQueue &queue, uint64_t connection_id, uint32_t flags, void *buffer, uint32_t size) :
  QueueOperation(queue, HSYS_OP_RECEIVE_CERTIFICATE, connection_id), m_buffer(static_cast<uint8_t *>(buffer)), m_size(size)
{
  entry.op_flags = flags;
  entry.out_length = size;
}

void CertificateOperation::write(uint32_t cert_flags, uint64_t data_bytes, const uint8_t *data)
{
  uint32_t structure = certificate_structure_size(entry.op_flags);
  uint8_t *position = data ? m_buffer + structure : nullptr;
  if (data)
    memcpy(position, data, data_bytes);
  if (entry.op_flags == HTTP_RECEIVE_SECURE_CHANNEL_TOKEN) {
    HTTP_REQUEST_CHANNEL_BIND_STATUS native{};
    native.ChannelTokenSize = static_cast<ULONG>(data_bytes);
    native.ChannelToken = position;
    memcpy(m_buffer, &native, sizeof native);
  } else {
    HTTP_SSL_CLIENT_CERT_INFO native{};
    native.CertFlags = cert_flags;
    native.CertEncodedSize = static_cast<ULONG>(data_bytes);
    native.pCertEncoded = position;
    memcpy(m_buffer, &native, sizeof native);
  }
}

// Success is only ever reported with data: callers use the pointer without looking.
bool CertificateOperation::deliver(const Completion &completion, uint32_t &status, uint64_t &bytes)
{
  uint32_t structure = certificate_structure_size(entry.op_flags);
  if (status == kMoreData) {
    write(0, completion.aux, nullptr);
    bytes = structure; // not what is needed: callers add CertEncodedSize to it (http-server-api.md 2.6)
  } else if (status == kSuccess) {
    uint32_t cert_flags = 0;
    bool is_token = entry.op_flags == HTTP_RECEIVE_SECURE_CHANNEL_TOKEN;
    std::span<const uint8_t> data = is_token ? completion.output : certificate_of(completion.output, cert_flags);
    if (data.empty() || data.size() > m_size - structure) {
      status = kNonsense;
      return true;
    }
    write(cert_flags, data.size(), data.data());
    bytes = structure + data.size();
  }
  return true;
}

}
