// SPDX-License-Identifier: MIT
// HttpReceiveClientCertificate: the certificate of a connection's client, or the connection's channel binding token, in the caller's
// buffer: the structure and directly behind it, without a byte between or after, the data (http-server-api.md 2.6).
#pragma once
#include "lib/queue_operation.h"

namespace httpsys::lib {

// Bytes of the structure that the flags ask for.
constexpr uint32_t certificate_structure_size(uint32_t flags)
{
  return flags == HTTP_RECEIVE_SECURE_CHANNEL_TOKEN ? sizeof(HTTP_REQUEST_CHANNEL_BIND_STATUS) : sizeof(HTTP_SSL_CLIENT_CERT_INFO);
}

class CertificateOperation final : public QueueOperation {
public:
  // The buffer has room for the structure.
  CertificateOperation(RequestQueue &queue, uint64_t connection_id, uint32_t flags, void *buffer, uint32_t size);

private:
  bool deliver(const Completion &completion, uint32_t &status, uint64_t &bytes) override;
  // data: null: the structure says how much there is, and no more.
  void write(uint32_t cert_flags, uint64_t data_bytes, const uint8_t *data);
  uint8_t *m_buffer;
  uint32_t m_size;
};

}
