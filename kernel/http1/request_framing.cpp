// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/request_framing.h"
#include "kernel/base/text.h"
#include "kernel/http1/characters.h"

namespace httpsys::http1 {

namespace {

// The four headers that decide, gathered in one pass over the fields.
struct DecidingFields {
  const HeaderField *host = nullptr;
  const HeaderField *content_length = nullptr;
  const HeaderField *transfer_encoding = nullptr;
  const HeaderField *connection = nullptr;
  const HeaderField *expect = nullptr;
};

DecidingFields gather(const RequestHead &head)
{
  DecidingFields found;
  for (const HeaderField &field : head.fields) {
    if (!field.is_first)
      continue;
    switch (field.id) {
    case RequestHeader::Host:
      found.host = &field;
      break;
    case RequestHeader::ContentLength:
      found.content_length = &field;
      break;
    case RequestHeader::TransferEncoding:
      found.transfer_encoding = &field;
      break;
    case RequestHeader::Connection:
      found.connection = &field;
      break;
    case RequestHeader::Expect:
      found.expect = &field;
      break;
    default:
      break;
    }
  }
  return found;
}

// Calls visit for every element of every line of this name, until it returns false.
template <typename Visit>
void for_each_element(const RequestHead &head, const HeaderField &first, std::string_view bytes, Visit visit)
{
  for (const HeaderField *field = &first;; field = &head.fields[field->next]) {
    std::string_view list = field->value().of(bytes);
    while (!list.empty())
      if (!visit(take_list_element(list)))
        return;
    if (field->next == HeaderField::kNone)
      return;
  }
}

// RFC 9112 3.2: 400 for an HTTP/1.1 request without Host, and for any request with several or with one that is invalid, also when the
// target's host takes precedence.
Refusal take_host(std::string_view bytes, const HeaderField *field, RequestHead &head)
{
  if (!field) {
    if (head.version_minor == 0)
      return {};
    return {400, Reason::Hostname, "an HTTP/1.1 request has no Host"};
  }
  if (field->next != HeaderField::kNone)
    return {400, Reason::Hostname, "the request has more than one Host"};
  url::Host checked;
  url::Host &host = head.form == TargetForm::Absolute ? checked : head.host;
  url::HostError error = url::parse_host(field->value().of(bytes), host);
  if (error != url::HostError::None)
    return {400, Reason::Hostname, url::host_error_text(error)};
  return {};
}

// token *( OWS ";" OWS token "=" token ). Quoted strings are refused: no transfer coding in use has one, and commas could hide in it.
bool is_transfer_coding(std::string_view element)
{
  for (bool is_name = true;; is_name = false) {
    size_t semicolon = element.find(';');
    std::string_view part = trim(element.substr(0, semicolon));
    size_t equals = part.find('=');
    bool is_valid = is_name ? is_token(part) : equals != part.npos && is_token(part.substr(0, equals)) && is_token(part.substr(equals + 1));
    if (!is_valid)
      return false;
    if (semicolon == element.npos)
      return true;
    element.remove_prefix(semicolon + 1);
  }
}

// RFC 9112 6.1 and 6.3 rule 4: the last coding must be chunked, and chunked is applied once.
Refusal take_transfer_encoding(std::string_view bytes, const HeaderField &first, RequestHead &head)
{
  if (head.version_minor == 0)
    return {400, Reason::BadRequest, "an HTTP/1.0 request has a Transfer-Encoding"};
  size_t codings = 0, chunked_codings = 0;
  bool last_is_chunked = false, is_valid = true;
  for_each_element(head, first, bytes, [&](std::string_view element) {
    if (element.empty())
      return true;
    codings++;
    last_is_chunked = equal_ignoring_case(element, "chunked");
    chunked_codings += last_is_chunked;
    is_valid = is_transfer_coding(element);
    return is_valid;
  });
  if (!is_valid || codings == 0)
    return {400, Reason::BadRequest, "the Transfer-Encoding is no list of transfer codings"};
  if (!last_is_chunked)
    return {501, Reason::NotImplemented, "the last transfer coding is not chunked"};
  if (chunked_codings > 1)
    return {400, Reason::BadRequest, "the Transfer-Encoding says chunked more than once"};
  head.framing = Framing::Chunked;
  return {};
}

// RFC 9110 8.6 lets us replace equal repetitions by one; we refuse all of them, as every strict parser does.
Refusal take_content_length(std::string_view bytes, const HeaderField &field, RequestHead &head)
{
  if (field.next != HeaderField::kNone)
    return {400, Reason::Number, "the request has more than one Content-Length"};
  if (!parse_decimal(field.value().of(bytes), head.content_length))
    return {400, Reason::Number, "the Content-Length is not a decimal number below 2^64"};
  head.framing = Framing::ContentLength;
  return {};
}

Refusal take_framing(std::string_view bytes, const ParserOptions &options, const DecidingFields &found, RequestHead &head)
{
  if (found.content_length)
    if (Refusal refusal = take_content_length(bytes, *found.content_length, head))
      return refusal;
  if (found.transfer_encoding) {
    if (found.content_length && !options.accept_transfer_encoding_with_content_length)
      return {400, Reason::BadRequest, "the request has both Transfer-Encoding and Content-Length"};
    head.content_length = 0;
    return take_transfer_encoding(bytes, *found.transfer_encoding, head);
  }
  // HTTP.sys asks it of these two alone: other methods without a length have no body (RFC 9112 6.3 rule 7).
  if (!found.content_length && (head.verb == Verb::Post || head.verb == Verb::Put))
    return {411, Reason::LengthRequired, "a POST or PUT request has neither Content-Length nor Transfer-Encoding"};
  return {};
}

// RFC 9112 9.3.
void take_persistence(std::string_view bytes, const DecidingFields &found, RequestHead &head)
{
  bool close = false;
  if (found.connection) {
    for_each_element(head, *found.connection, bytes, [&](std::string_view element) {
      close |= equal_ignoring_case(element, "close");
      head.asked_keep_alive |= equal_ignoring_case(element, "keep-alive");
      return true;
    });
  }
  // RFC 9112 6.1: after a message with both, nothing that follows can be trusted.
  bool has_both_framings = found.transfer_encoding && found.content_length;
  head.keep_alive = !close && !has_both_framings && (head.version_minor > 0 || head.asked_keep_alive);
}

}

Refusal interpret_fields(std::string_view bytes, const ParserOptions &options, RequestHead &head)
{
  DecidingFields found = gather(head);
  if (Refusal refusal = take_host(bytes, found.host, head))
    return refusal;
  if (Refusal refusal = take_framing(bytes, options, found, head))
    return refusal;
  take_persistence(bytes, found, head);
  // RFC 9110 10.1.1: not from HTTP/1.0 clients, and pointless without a body.
  if (found.expect && head.version_minor > 0 && head.has_body())
    head.expect_continue = equal_ignoring_case(found.expect->value().of(bytes), "100-continue");
  return {};
}

}
