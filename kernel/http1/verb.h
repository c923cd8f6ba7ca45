// SPDX-License-Identifier: GPL-3.0-or-later
// Request methods with a number of their own (httpapi: HTTP_VERB). Exact and case-sensitive: "get" is Unknown (RFC 9110 9.1).
#pragma once
#include <cstdint>
#include <string_view>

namespace httpsys::http1 {

enum class Verb : uint8_t {
  Unparsed, Unknown, Invalid, Options, Get, Head, Post, Put, Delete, Trace, Connect, Track, Move, Copy, Propfind, Proppatch, Mkcol,
  Lock, Unlock, Search,
};

// Unknown for every other token.
Verb find_verb(std::string_view method);

}
