// SPDX-License-Identifier: GPL-3.0-or-later
// The path of a request target in canonical form ("cooked"): what routing, the cache and the application's CookedUrl use. The raw
// target stays with the request. Rules: http-wire-and-netsh.md A.4. Pure functions of their arguments, for any core; the result
// object is reused from request to request, so that a warm one allocates nothing.
#pragma once
#include "kernel/limits.h"
#include <cstdint>
#include <string>
#include <string_view>

namespace httpsys::url {

enum class PathError : uint8_t {
  None,
  NotAbsolute,      // does not begin with '/'
  MissingPath,      // a query without a path (absolute form "http://host?x")
  BadEscape,        // '%' without two hexadecimal digits, or %u without four
  ControlCharacter, // raw 0x00-0x20 and 0x7F, escaped U+0000-U+001F and U+007F-U+009F
  NotUtf8,          // raw or escaped octets that are not UTF-8, an unpaired surrogate from %u
  Fragment,         // '#'
  AboveRoot,        // ".." at the root
  SegmentTooLong,
  TooManySegments,
};

// Why, for the error log and the reason text: a sentence without its full stop. Static storage.
const char *path_error_text(PathError error);

struct PathLimits {
  uint32_t segment_max_length = limits::kUrlSegmentMaxLength; // UTF-16 units between two slashes; 0: no limit
  uint32_t segment_max_count = limits::kUrlSegmentMaxCount;   // 0: no limit
};

struct CanonicalPath {
  static constexpr size_t kNoQuery = ~size_t{0};
  std::u16string path;            // begins with '/'; ends in one if the request's did or ended in a dot segment
  size_t query_offset = kNoQuery; // of the '?' in the input; the query is neither decoded nor changed
};

// path_and_query: an origin-form target, or the rest of an absolute one behind its authority ("" is "/"). On an error the result is
// unspecified.
PathError canonicalise_path(std::string_view path_and_query, const PathLimits &limits, CanonicalPath &result);

}
