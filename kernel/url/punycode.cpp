// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/url/punycode.h"
#include "kernel/url/case_map.h"
#include "kernel/url/utf.h"
#include <algorithm>

namespace httpsys::url {

namespace {

// RFC 3492 5.
constexpr uint32_t kBase = 36, kTMin = 1, kTMax = 26, kSkew = 38, kDamp = 700, kInitialBias = 72, kInitialN = 0x80;
constexpr size_t kMaxLabel = 63; // RFC 1035 2.3.4

char digit(uint32_t value) { return static_cast<char>(value < 26 ? 'a' + value : '0' + (value - 26)); }

// RFC 3492 6.1.
uint32_t adapt(uint32_t delta, uint32_t points, bool is_first)
{
  delta = is_first ? delta / kDamp : delta / 2;
  delta += delta / points;
  uint32_t k = 0;
  for (; delta > ((kBase - kTMin) * kTMax) / 2; k += kBase)
    delta /= kBase - kTMin;
  return k + (kBase - kTMin + 1) * delta / (delta + kSkew);
}

void append_variable_length(uint32_t value, uint32_t bias, std::string &out)
{
  for (uint32_t k = kBase;; k += kBase) {
    uint32_t threshold = k <= bias ? kTMin : std::min(kTMax, k - bias);
    if (value < threshold)
      break;
    out += digit(threshold + (value - threshold) % (kBase - threshold));
    value = (value - threshold) / (kBase - threshold);
  }
  out += digit(value);
}

// RFC 3492 6.3. At most 63 code points come in, so that delta stays below 64 * 0x110000 and cannot overflow.
void append_punycode(std::u32string_view label, std::string &out)
{
  uint32_t n = kInitialN, delta = 0, bias = kInitialBias, handled = 0;
  for (char32_t point : label) {
    if (point < 0x80) {
      out += static_cast<char>(point);
      handled++;
    }
  }
  uint32_t basic = handled;
  if (basic > 0)
    out += '-';
  while (handled < label.size()) {
    char32_t next = 0x110000;
    for (char32_t point : label)
      if (point >= n)
        next = std::min(next, point);
    delta += (next - n) * (handled + 1);
    n = next;
    for (char32_t point : label) {
      delta += point < n;
      if (point != n)
        continue;
      append_variable_length(delta, bias, out);
      bias = adapt(delta, handled + 1, handled == basic);
      delta = 0;
      handled++;
    }
    delta++;
    n++;
  }
}

bool append_label(std::u16string_view label, std::string &out)
{
  std::u32string points;
  bool is_ascii = true;
  while (!label.empty()) {
    CodePoint point = decode_utf16(label);
    if (point.length == 0 || points.size() >= kMaxLabel)
      return false;
    points += point.length == 1 ? to_lower(static_cast<char16_t>(point.value)) : point.value;
    is_ascii &= point.value < 0x80;
    label.remove_prefix(point.length);
  }
  size_t start = out.size();
  if (is_ascii) {
    for (char32_t point : points)
      out += static_cast<char>(point);
    return true;
  }
  out += "xn--";
  append_punycode(points, out);
  return out.size() - start <= kMaxLabel;
}

}

bool append_ascii_name(std::u16string_view name, std::string &out)
{
  for (;;) {
    size_t dot = name.find(u'.');
    if (!append_label(name.substr(0, dot), out))
      return false;
    if (dot == name.npos)
      return true;
    out += '.';
    name.remove_prefix(dot + 1);
  }
}

}
