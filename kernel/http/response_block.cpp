// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http/response_block.h"
#include "kernel/base/checked_math.h"
#include "kernel/http1/header_table.h"
#include "uapi/abi.h"
#include <cstring>

namespace httpsys::http {

static Result<std::string_view> view(std::span<const uint8_t> block, uint32_t offset, uint32_t length)
{
  if (!range_fits(offset, length, block.size()))
    return NtStatus::InvalidParameter;
  return std::string_view(reinterpret_cast<const char *>(block.data()) + offset, length);
}

template <typename T>
static Result<std::vector<T>> array(std::span<const uint8_t> block, uint32_t offset, uint32_t count, uint32_t maximum)
{
  if (count > maximum || offset % 4 != 0 || !range_fits(offset, static_cast<uint64_t>(count) * sizeof(T), block.size()))
    return NtStatus::InvalidParameter;
  std::vector<T> result(count);
  if (count > 0)
    std::memcpy(result.data(), block.data() + offset, count * sizeof(T));
  return result;
}

static Result<std::vector<hsys_extent>> extents(std::span<const uint8_t> block, uint32_t offset, uint32_t count, uint64_t &sum)
{
  auto result = TRY(array<hsys_extent>(block, offset, count, HSYS_EXTENTS_MAX));
  sum = 0;
  for (const hsys_extent &extent : result)
    sum += extent.length;
  if (sum > HSYS_SEND_BYTES_MAX)
    return NtStatus::InvalidParameter;
  return result;
}

static Result<std::vector<ResponseBlock::Header>> headers(std::span<const uint8_t> block, const hsys_response &head)
{
  auto entries = TRY(array<hsys_header>(block, head.header_offset, head.header_count, HSYS_PARAMETERS_MAX / sizeof(hsys_header)));
  std::vector<ResponseBlock::Header> result;
  result.reserve(entries.size());
  for (const hsys_header &entry : entries) {
    bool is_unknown = entry.id == HSYS_HEADER_UNKNOWN;
    if (entry.reserved0 != 0 || (!is_unknown && (entry.id >= http1::kResponseHeaderCount || entry.name_length != 0)))
      return NtStatus::InvalidParameter;
    std::string_view name = TRY(view(block, is_unknown ? entry.name_offset : 0, entry.name_length));
    result.push_back({entry.id, name, TRY(view(block, entry.value_offset, entry.value_length))});
  }
  return result;
}

Result<ResponseBlock> parse_response_block(std::span<const uint8_t> block)
{
  hsys_response head;
  if (block.size() < sizeof head)
    return NtStatus::InvalidParameter;
  std::memcpy(&head, block.data(), sizeof head);
  if (head.size != block.size() || head.version != 1 || (head.flags & ~HSYS_SEND_CONTINUES) != 0 || head.reserved0 != 0)
    return NtStatus::InvalidParameter;
  ResponseBlock result;
  result.status_code = head.status_code;
  result.reason = TRY(view(block, head.reason_offset, head.reason_length));
  result.continues = (head.flags & HSYS_SEND_CONTINUES) != 0;
  result.content_bytes = head.content_bytes;
  result.headers = TRY(headers(block, head));
  uint64_t sum = 0;
  result.extents = TRY(extents(block, head.extent_offset, head.extent_count, sum));
  if (result.continues ? sum > head.content_bytes : sum != head.content_bytes)
    return NtStatus::InvalidParameter;
  return result;
}

Result<SendBodyBlock> parse_send_body_block(std::span<const uint8_t> block)
{
  hsys_send_body head;
  if (block.size() < sizeof head)
    return NtStatus::InvalidParameter;
  std::memcpy(&head, block.data(), sizeof head);
  if (head.size != block.size() || head.version != 1 || (head.flags & ~HSYS_SEND_CONTINUES) != 0 || head.reserved0 != 0)
    return NtStatus::InvalidParameter;
  SendBodyBlock result;
  result.continues = (head.flags & HSYS_SEND_CONTINUES) != 0;
  uint64_t sum = 0;
  result.extents = TRY(extents(block, head.extent_offset, head.extent_count, sum));
  return result;
}

}
