// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/request_head.h"
#include "kernel/base/text.h"
#include "kernel/http1/characters.h"
#include "kernel/limits.h"
#include <algorithm>
#include <array>

namespace httpsys::http1 {

void RequestHead::clear()
{
  head_bytes = 0;
  verb = Verb::Unparsed;
  method = target = path = {};
  form = TargetForm::Origin;
  is_https_target = false;
  version_minor = 1;
  framing = Framing::None;
  content_length = 0;
  keep_alive = asked_keep_alive = expect_continue = false;
  host.clear();
  fields.clear();
}

const HeaderField *RequestHead::find(RequestHeader id) const
{
  for (const HeaderField &field : fields)
    if (field.id == id)
      return &field;
  return nullptr;
}

// RFC 9112 5.2: obs-fold = OWS CRLF RWS becomes spaces, its tabs too.
static void unfold(char *value, size_t length)
{
  for (size_t begin = 0; begin < length; begin++) {
    size_t end = begin;
    bool is_fold = false;
    for (; end < length && (is_blank(value[end]) || value[end] == '\r' || value[end] == '\n'); end++)
      is_fold |= value[end] == '\n';
    if (is_fold)
      std::fill(value + begin, value + end, ' ');
    begin = end;
  }
}

void RequestHead::copy_value(const HeaderField &first, std::string_view buffer, char *out) const
{
  for (const HeaderField *field = &first;; field = &fields[field->next]) {
    field->value().of(buffer).copy(out, field->value_length);
    if (field->is_folded)
      unfold(out, field->value_length);
    out += field->value_length;
    if (field->next == HeaderField::kNone)
      return;
    *out++ = first.id == RequestHeader::Cookie ? ';' : ',';
    *out++ = ' ';
  }
}

void RequestHead::chain(uint16_t first, uint16_t index)
{
  HeaderField &head = fields[first];
  HeaderField &field = fields[index];
  fields[head.last == HeaderField::kNone ? first : head.last].next = index;
  head.last = index;
  head.merged_length += field.value_length + 2u;
  field.is_first = false;
}

uint16_t RequestHead::find_unknown(const HeaderField &field, std::string_view buffer, uint16_t bucket_head) const
{
  std::string_view name = field.name().of(buffer);
  for (uint16_t index = bucket_head; index != HeaderField::kNone; index = fields[index].bucket_next)
    if (fields[index].hash == field.hash && equal_ignoring_case(fields[index].name().of(buffer), name))
      return index;
  return HeaderField::kNone;
}

bool RequestHead::link_fields(std::string_view buffer)
{
  std::array<uint16_t, kRequestHeaderCount> known;
  std::array<uint16_t, kBuckets> buckets;
  known.fill(HeaderField::kNone);
  buckets.fill(HeaderField::kNone);
  for (size_t index = 0; index < fields.size(); index++) {
    HeaderField &field = fields[index];
    auto number = static_cast<uint16_t>(index);
    field.merged_length = field.value_length;
    uint16_t &head = field.id == RequestHeader::Unknown ? buckets[field.hash % kBuckets] : known[static_cast<size_t>(field.id)];
    uint16_t first = field.id == RequestHeader::Unknown ? find_unknown(field, buffer, head) : head;
    if (first == HeaderField::kNone) {
      field.bucket_next = head;
      head = number;
      continue;
    }
    chain(first, number);
    if (fields[first].merged_length > limits::kMaxMergedFieldLength)
      return false;
  }
  return true;
}

}
