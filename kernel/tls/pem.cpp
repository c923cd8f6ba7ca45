// SPDX-License-Identifier: GPL-3.0-or-later
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/types.h>
#include "kernel/limits.h"
#include "kernel/tls/pem.h"
#include <fmt/format.h>

namespace httpsys::tls {

Result<std::vector<Der>> pem_blocks(std::string_view pem, std::string_view label, std::string &reason)
{
  const std::string begin = fmt::format("-----BEGIN {}-----", label), end = fmt::format("-----END {}-----", label);
  std::vector<Der> blocks;
  size_t position = 0;
  while ((position = pem.find(begin, position)) != std::string_view::npos) {
    size_t first = position + begin.size(), last = pem.find(end, first);
    if (last == std::string_view::npos) {
      reason = fmt::format("the {} block number {} has no \"{}\" line", label, blocks.size() + 1, end);
      return NtStatus::InvalidParameter;
    }
    if (blocks.size() == limits::kMaxPemCertificates) {
      reason = fmt::format("there are more than {} {} blocks in it (kMaxPemCertificates)", limits::kMaxPemCertificates, label);
      return NtStatus::InsufficientResources;
    }
    std::string_view body = pem.substr(first, last - first);
    Der block(body.size());
    word32 size = static_cast<word32>(block.size());
    const byte *text = reinterpret_cast<const byte *>(body.data());
    if (body.size() > INT32_MAX || Base64_Decode(text, static_cast<word32>(body.size()), block.data(), &size) != 0 || size == 0) {
      reason = fmt::format("the {} block number {} is not valid base64", label, blocks.size() + 1);
      return NtStatus::InvalidParameter;
    }
    block.resize(size);
    blocks.push_back(std::move(block));
    position = last + end.size();
  }
  return blocks;
}

PemKey pem_private_key(std::string_view pem)
{
  constexpr std::string_view begin = "-----BEGIN ", kind = "PRIVATE KEY-----";
  size_t position = 0;
  while ((position = pem.find(begin, position)) != std::string_view::npos) {
    size_t line_end = pem.find('\n', position);
    std::string_view line = pem.substr(position, line_end == std::string_view::npos ? line_end : line_end - position);
    while (line.ends_with('\r') || line.ends_with(' '))
      line.remove_suffix(1);
    if (line.ends_with(kind)) {
      const std::string end = fmt::format("-----END {}", line.substr(begin.size()));
      size_t last = pem.find(end, position);
      if (last == std::string_view::npos)
        return {};
      PemKey key{pem.substr(position, last + end.size() - position), false};
      key.is_encrypted = key.block.find("ENCRYPTED") != std::string_view::npos; // in the BEGIN line or in Proc-Type
      return key;
    }
    position += begin.size();
  }
  return {};
}

}
