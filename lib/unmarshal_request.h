// SPDX-License-Identifier: MIT
// From a request's image in the receive arena to HTTP_REQUEST in the caller's buffer, in the order of uapi/layout.h: every pointer
// leads into that buffer, every string has its NUL. Pure functions.
#pragma once
#include "lib/include/http.h"
#include "uapi/request.h"
#include <span>

namespace httpsys::lib {

// Writes the whole request; image was made for a buffer of at least `size` bytes. version_1: the queue's, HTTP_REQUEST_V1 without the
// request infos. Returns the bytes written; 0 when the image is not what the ABI says, or does not fit: nothing is written then.
uint32_t unmarshal_request(std::span<const uint8_t> image, bool version_1, void *buffer, uint32_t size);

// ERROR_MORE_DATA: the two ids, and nothing else that is not zero. The buffer has room for the structure.
void write_request_ids(bool version_1, void *buffer, uint64_t request_id, uint64_t connection_id);

// Bytes of the structure alone, the least that a buffer must have.
constexpr uint32_t request_structure_size(bool version_1)
{
  return version_1 ? sizeof(HTTP_REQUEST_V1) : sizeof(HTTP_REQUEST_V2);
}

}
