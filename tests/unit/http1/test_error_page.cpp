// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/http1/date.h"
#include "kernel/http1/error_page.h"
#include <ctime>
#include <doctest/doctest.h>
#include <string>

using namespace httpsys::http1;

TEST_CASE("dates are IMF-fixdates (RFC 9110 5.6.7)")
{
  CHECK(format_date(784111777).view() == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(format_date(0).view() == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(format_date(951782400).view() == "Tue, 29 Feb 2000 00:00:00 GMT");
  CHECK(format_date(4107542399).view() == "Sun, 28 Feb 2100 23:59:59 GMT");
  CHECK(format_date(4107542400).view() == "Mon, 01 Mar 2100 00:00:00 GMT");
  CHECK(format_date(-1).view() == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(format_date(INT64_MAX).view() == "Fri, 31 Dec 9999 23:59:59 GMT");
  for (time_t moment = 0; moment < 253402300800; moment += 86400 * 13 + 12345) {
    std::tm parts{};
    gmtime_r(&moment, &parts);
    char text[30];
    REQUIRE(std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 29);
    if (format_date(moment).view() != text)
      FAIL(text);
  }
}

TEST_CASE("the daemon's answer is HTTP.sys' page, byte for byte (B.3)")
{
  std::string response;
  append_error_response(400, Reason::Verb, {"Sun, 06 Nov 1994 08:49:37 GMT"}, response);
  CHECK(response ==
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/html; charset=us-ascii\r\n"
    "Server: Microsoft-HTTPAPI/2.0\r\n"
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Connection: close\r\n"
    "Content-Length: 326\r\n"
    "\r\n"
    "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n"
    "<HTML><HEAD><TITLE>Bad Request</TITLE>\r\n"
    "<META HTTP-EQUIV=\"Content-Type\" Content=\"text/html; charset=us-ascii\"></HEAD>\r\n"
    "<BODY><h2>Bad Request - Invalid Verb</h2>\r\n"
    "<hr><p>HTTP Error 400. The request verb is invalid.</p>\r\n"
    "</BODY></HTML>\r\n");
  std::string head;
  append_error_response(400, Reason::Verb, {"Sun, 06 Nov 1994 08:49:37 GMT", true}, head);
  CHECK(head == response.substr(0, response.size() - 326));
  std::string silent;
  append_error_response(400, Reason::Verb, {"Sun, 06 Nov 1994 08:49:37 GMT", false, false}, silent);
  CHECK(silent.find("Server") == silent.npos);
  CHECK(silent.size() == response.size() - std::string("Server: Microsoft-HTTPAPI/2.0\r\n").size());
}

TEST_CASE("every page has the length that was captured or computed (B.3)")
{
  struct Row {
    uint16_t status;
    Reason reason;
    std::string_view phrase;
    size_t length;
  };
  static const Row rows[] = {
    {400, Reason::BadRequest, "Bad Request", 311},
    {400, Reason::Verb, "Bad Request", 326},
    {400, Reason::Url, "Bad Request", 324},
    {400, Reason::Hostname, "Bad Request", 334},
    {400, Reason::Header, "Bad Request", 339},
    {400, Reason::FieldLength, "Bad Request", 342},
    {400, Reason::RequestLength, "Bad Request", 346},
    {404, Reason::NotFound, "Not Found", 315},
    {411, Reason::LengthRequired, "Length Required", 344},
    {414, Reason::UrlLength, "Request URL Too Long", 329},
    {501, Reason::NotImplemented, "Not Implemented", 343},
    {503, Reason::NotAvailable, "Service Unavailable", 326},
    // Reasons without a page of their own.
    {400, Reason::Number, "Bad Request", 311},
    {400, Reason::InvalidCrLf, "Bad Request", 311},
    {503, Reason::QueueFull, "Service Unavailable", 326},
    {503, Reason::Disabled, "Service Unavailable", 326},
    {418, Reason::None, "Bad Request", 311},
    // Ours.
    {431, Reason::FieldLength, "Request Header Fields Too Large", 382},
    {431, Reason::RequestLength, "Request Header Fields Too Large", 386},
    {505, Reason::VersionNotSupported, "HTTP Version Not Supported", 355},
  };
  for (const Row &row : rows) {
    CAPTURE(row.status);
    CAPTURE(row.phrase);
    std::string body;
    append_error_body(row.status, row.reason, body);
    CHECK(body.size() == row.length);
    CHECK(error_reason_phrase(row.status, row.reason) == row.phrase);
    std::string response;
    append_error_response(row.status, row.reason, {"D"}, response);
    CHECK(response.ends_with("Content-Length: " + std::to_string(row.length) + "\r\n\r\n" + body));
  }
}

TEST_CASE("reasons are spelt as HTTPERR does (C.1)")
{
  CHECK(std::string(reason_name(Reason::InvalidCrLf)) == "Invalid_CR/LF");
  CHECK(std::string(reason_name(Reason::VersionNotSupported)) == "Version_N/S");
  CHECK(std::string(reason_name(Reason::NotAvailable)) == "N/A");
  CHECK(std::string(reason_name(Reason::NotImplemented)) == "N/I");
  CHECK(std::string(reason_name(Reason::UrlLength)) == "URL_Length");
  CHECK(std::string(reason_name(Reason::Url)) == "URL");
}
