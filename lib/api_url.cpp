// SPDX-License-Identifier: MIT
#include "lib/api_url.h"

namespace httpsys::lib {

namespace {

constexpr size_t kUrlUnitsMax = HSYS_URL_BYTES_MAX / sizeof(WCHAR);

template <typename T>
std::span<const uint8_t> bytes_of(const T &head)
{
  return {reinterpret_cast<const uint8_t *>(&head), sizeof head};
}

}

size_t length_of(PCWSTR text, size_t most)
{
  size_t length = 0;
  while (length <= most && text[length])
    length++;
  return length;
}

bool require_url(ApiCall &call, PCWSTR url)
{
  return call.require(url != nullptr, ERROR_INVALID_PARAMETER, "the URL is NULL.") &&
    call.require(length_of(url, kUrlUnitsMax) <= kUrlUnitsMax, ERROR_INVALID_PARAMETER, "the URL has more than %zu characters.",
      kUrlUnitsMax);
}

ULONG add_url(ApiCall &call, uint64_t group, PCWSTR url, uint64_t context)
{
  size_t bytes = length_of(url, kUrlUnitsMax) * sizeof(WCHAR);
  hsys_url head{context, static_cast<uint32_t>(bytes), 0};
  SyncOperation operation(HSYS_OP_ADD_URL, 0, group);
  return call.run(operation, bytes_of(head), {reinterpret_cast<const uint8_t *>(url), bytes});
}

ULONG remove_url(ApiCall &call, uint64_t group, PCWSTR url)
{
  size_t bytes = url ? length_of(url, kUrlUnitsMax) * sizeof(WCHAR) : 0;
  hsys_url head{0, static_cast<uint32_t>(bytes), 0};
  SyncOperation operation(HSYS_OP_REMOVE_URL, 0, group, url ? 0 : HSYS_URL_REMOVE_ALL);
  return call.run(operation, bytes_of(head), {reinterpret_cast<const uint8_t *>(url), bytes});
}

}
