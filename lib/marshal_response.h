// SPDX-License-Identifier: MIT
// From HTTP_RESPONSE to the parameter block of SEND_RESPONSE. Everything that the structure points to is copied, but for the chunks,
// which BodySource captures. Pure functions.
#pragma once
#include "lib/error_text.h"
#include "lib/include/http.h"
#include "lib/parameter_block.h"

namespace httpsys::lib {

constexpr uint32_t kResponseChunksMax = 100; // HTTP_RESPONSE_V1, Remarks
constexpr uint32_t kBodyChunksMax = 9999;    // httpapi: HttpSendResponseEntityBody
constexpr uint32_t kUnknownHeadersMax = 9999;

// version_2: the queue's; a response on a version 1 queue has no infos behind it. The block ends with one struct hsys_extent, to be
// filled with each send. ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED or ERROR_NOT_ENOUGH_MEMORY with a sentence.
uint32_t marshal_response(const HTTP_RESPONSE_V1 &response, bool version_2, ParameterBlock &block, ErrorText &why);
// The same for SEND_BODY.
uint32_t marshal_send_body(ParameterBlock &block);

}
