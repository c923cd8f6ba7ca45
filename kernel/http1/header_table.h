// SPDX-License-Identifier: GPL-3.0-or-later
// The known headers: HTTP_HEADER_ID of requests and of responses (httpapi: HTTP_HEADER_ID). Ids 0 to 19 mean the same in both, from 20
// on they differ. Names are looked up without regard to case through perfect hashes that the compiler finds.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace httpsys::http1 {

enum class RequestHeader : int8_t {
  Unknown = -1,
  CacheControl, Connection, Date, KeepAlive, Pragma, Trailer, TransferEncoding, Upgrade, Via, Warning,
  Allow, ContentLength, ContentType, ContentEncoding, ContentLanguage, ContentLocation, ContentMd5, ContentRange, Expires, LastModified,
  Accept, AcceptCharset, AcceptEncoding, AcceptLanguage, Authorization, Cookie, Expect, From, Host, IfMatch, IfModifiedSince,
  IfNoneMatch, IfRange, IfUnmodifiedSince, MaxForwards, ProxyAuthorization, Referer, Range, Te, Translate, UserAgent,
};

enum class ResponseHeader : int8_t {
  Unknown = -1,
  CacheControl, Connection, Date, KeepAlive, Pragma, Trailer, TransferEncoding, Upgrade, Via, Warning,
  Allow, ContentLength, ContentType, ContentEncoding, ContentLanguage, ContentLocation, ContentMd5, ContentRange, Expires, LastModified,
  AcceptRanges, Age, Etag, Location, ProxyAuthenticate, RetryAfter, Server, SetCookie, Vary, WwwAuthenticate,
};

inline constexpr size_t kRequestHeaderCount = 41;
inline constexpr size_t kResponseHeaderCount = 30;

// The name must be a token (RFC 9110 5.1), as both parser and encoder have checked before; "" is Unknown.
RequestHeader find_request_header(std::string_view name);
ResponseHeader find_response_header(std::string_view name);

// The name as RFC 9110 spells it. Not for Unknown.
std::string_view request_header_name(RequestHeader id);
std::string_view response_header_name(ResponseHeader id);

}
