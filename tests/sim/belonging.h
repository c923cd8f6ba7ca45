// SPDX-License-Identifier: GPL-3.0-or-later
// Belonging: what bytes tell of whose they are: the units of bodies and of poison (exchange.h), and the paths of sites and requests, in 8
// and in 16 bits. Nothing is added to what travels for it. Pure.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace httpsys::sim {

struct Belonging {
  enum class Kind : uint8_t { RequestBody, AnswerBody, Poison, Site, RequestPath };
  Kind kind;
  uint32_t number; // of the exchange, of the worker (Poison) or of the site
};

// The first of them that is_wrong; nullopt: none.
std::optional<Belonging> find_belonging(std::span<const uint8_t> bytes, const std::function<bool(Belonging)> &is_wrong);

}
