// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/error_page.h"
#include <charconv>

namespace httpsys::http1 {

namespace {

struct Page {
  uint16_t status;
  Reason reason; // BadRequest: the general page of its status
  std::string_view title;
  std::string_view detail; // behind the title in the heading
  std::string_view sentence;
};

// The first row of a status is its general one. 505 and 431 are ours: no capture of HTTP.sys' 505 is known, and it answers 400
// for what is 431 here; both are in its style.
constexpr Page kPages[] = {
  {400, Reason::BadRequest, "Bad Request", "", "The request is badly formed."},
  {400, Reason::Verb, "Bad Request", " - Invalid Verb", "The request verb is invalid."},
  {400, Reason::Url, "Bad Request", " - Invalid URL", "The request URL is invalid."},
  {400, Reason::Hostname, "Bad Request", " - Invalid Hostname", "The request hostname is invalid."},
  {400, Reason::Header, "Bad Request", " - Invalid Header", "The request has an invalid header name."},
  {400, Reason::FieldLength, "Bad Request", " - Header Field Too Long", "A request header field is too long."},
  {400, Reason::RequestLength, "Bad Request", " - Request Too Long", "The size of the request headers is too long."},
  {404, Reason::NotFound, "Not Found", "", "The requested resource is not found."},
  {411, Reason::LengthRequired, "Length Required", "", "The request must be chunked or have a content length."},
  {414, Reason::UrlLength, "Request URL Too Long", "", "The request URL is too long."},
  {431, Reason::RequestLength, "Request Header Fields Too Large", " - Request Too Long", "The size of the request headers is too long."},
  {431, Reason::FieldLength, "Request Header Fields Too Large", " - Header Field Too Long", "A request header field is too long."},
  {501, Reason::NotImplemented, "Not Implemented", "", "The request transfer encoding type is not supported."},
  {503, Reason::NotAvailable, "Service Unavailable", "", "The service is unavailable."},
  {505, Reason::VersionNotSupported, "HTTP Version Not Supported", "", "The request HTTP version is not supported."},
};

const Page &page_for(uint16_t status, Reason reason)
{
  const Page *general = nullptr;
  for (const Page &page : kPages) {
    if (page.status != status)
      continue;
    if (page.reason == reason)
      return page;
    if (!general)
      general = &page;
  }
  return general ? *general : kPages[0];
}

void append_number(size_t number, std::string &out)
{
  char digits[20];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

}

std::string_view error_reason_phrase(uint16_t status, Reason reason) { return page_for(status, reason).title; }

// Scanners and scripts compare the page: the missing blank between the strings of the DOCTYPE and the last CRLF belong to it.
void append_error_body(uint16_t status, Reason reason, std::string &out)
{
  const Page &page = page_for(status, reason);
  out.append("<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n<HTML><HEAD><TITLE>");
  out.append(page.title);
  out.append("</TITLE>\r\n<META HTTP-EQUIV=\"Content-Type\" Content=\"text/html; charset=us-ascii\"></HEAD>\r\n<BODY><h2>");
  out.append(page.title).append(page.detail);
  out.append("</h2>\r\n<hr><p>HTTP Error ");
  append_number(page.status, out);
  out.append(". ").append(page.sentence).append("</p>\r\n</BODY></HTML>\r\n");
}

void append_error_response(uint16_t status, Reason reason, const ErrorResponseOptions &options, std::string &out)
{
  std::string body;
  append_error_body(status, reason, body);
  const Page &page = page_for(status, reason);
  out.append("HTTP/1.1 ");
  append_number(page.status, out);
  out.append(" ").append(page.title).append("\r\nContent-Type: text/html; charset=us-ascii\r\n");
  if (options.add_server)
    out.append("Server: ").append(kServerToken).append("\r\n");
  out.append("Date: ").append(options.date).append("\r\nConnection: close\r\nContent-Length: ");
  append_number(body.size(), out);
  out.append("\r\n\r\n");
  if (!options.request_is_head)
    out.append(body);
}

}
