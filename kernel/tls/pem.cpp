// SPDX-License-Identifier: GPL-3.0-or-later
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/types.h>
#include "kernel/limits.h"
#include "kernel/tls/pem.h"
#include <fmt/format.h>

namespace httpsys::tls {

namespace {

// So that no key gets into a string of ours by way of one. The longest in use is "ENCRYPTED PRIVATE KEY".
constexpr size_t kMaxKeyLabel = 40;

// wolfSSL's decoder reads up to the padding, or a NUL, and says nothing of what follows.
bool is_read_whole(std::string_view body)
{
  const size_t end = body.find_first_of(std::string_view("=\0", 2));
  return end == body.npos || body.find_first_not_of("= \t\r\n", end) == body.npos;
}

}

Result<std::vector<Der>> pem_blocks(std::string_view pem, std::string_view label, std::string &reason)
{
  const std::string begin = fmt::format("-----BEGIN {}-----", label), end = fmt::format("-----END {}-----", label);
  std::vector<Der> blocks;
  size_t position = 0;
  while ((position = pem.find(begin, position)) != std::string_view::npos) {
    const size_t first = position + begin.size(), last = pem.find("-----", first);
    if (last == std::string_view::npos || !pem.substr(last).starts_with(end)) {
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
    if (body.size() > INT32_MAX || !is_read_whole(body) ||
        Base64_Decode(text, static_cast<word32>(body.size()), block.data(), &size) != 0 || size == 0) {
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
  constexpr std::string_view begin = "-----BEGIN ", dashes = "-----";
  for (size_t position = pem.find(begin); position != pem.npos; position = pem.find(begin, position + begin.size())) {
    const size_t first = position + begin.size();
    const std::string_view label = pem.substr(first, pem.find(dashes, first) - first);
    if (label.size() > kMaxKeyLabel || !label.ends_with("PRIVATE KEY"))
      continue;
    const size_t line_end = pem.find_first_not_of(" \r", first + label.size() + dashes.size());
    if (line_end == pem.npos || pem[line_end] != '\n')
      continue;
    const std::string end = fmt::format("-----END {}-----", label);
    const size_t last = pem.find(dashes, line_end);
    if (last == pem.npos || !pem.substr(last).starts_with(end))
      return {};
    PemKey key{pem.substr(position, last + end.size() - position), false};
    key.is_encrypted = key.block.find("ENCRYPTED") != pem.npos; // in the BEGIN line or in Proc-Type
    return key;
  }
  return {};
}

}
