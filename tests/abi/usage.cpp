// SPDX-License-Identifier: GPL-3.0-or-later
// Spellings that Windows sources in C++ use, among the headers of the standard library; compiled by test_headers.py in several
// dialects, never run.
#include <windows.h>
#include <http.h>

#pragma comment(lib, "httpapi.lib")

#include <algorithm>
#include <future>
#include <iostream>
#include <locale>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <httpsys.h>

namespace {

class Listener {
public:
  ULONG open(const std::basic_string<WCHAR> &url)
  {
    HTTP_SERVER_SESSION_ID session = HTTP_NULL_ID;
    HTTP_URL_GROUP_ID group = HTTP_NULL_ID;
    HTTP_BINDING_INFO binding = {{1}, m_queue};
    if (ULONG error = HttpInitialize(HTTPAPI_VERSION_2, HTTP_INITIALIZE_SERVER, nullptr))
      return error;
    HttpCreateServerSession(HTTPAPI_VERSION_2, &session, 0);
    HttpCreateUrlGroup(session, &group, 0);
    HttpCreateRequestQueue(HTTPAPI_VERSION_2, TEXT("queue"), nullptr, 0, &m_queue);
    HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof(binding));
    return HttpAddUrlToUrlGroup(group, url.c_str(), 0, 0);
  }

  std::string verb(const HTTP_REQUEST &request) const
  {
    const HTTP_REQUEST_V1 &first = request;
    return first.Verb == HttpVerbUnknown ? std::string(first.pUnknownVerb, first.UnknownVerbLength) : std::string();
  }

  bool wait(HANDLE port)
  {
    std::vector<OVERLAPPED_ENTRY> entries(4);
    ULONG count = 0;
    return GetQueuedCompletionStatusEx(port, entries.data(), static_cast<ULONG>(entries.size()), &count, INFINITE, FALSE) &&
      std::min<ULONG>(count, 4) == 4;
  }

private:
  HANDLE m_queue = nullptr;
};

}

int main()
{
  std::unique_ptr<Listener> listener(new Listener);
  HTTP_DATA_CHUNK chunk = {};
  chunk.DataChunkType = HttpDataChunkFromFileHandle;
#ifdef NONAMELESSUNION
  chunk.u.FromFileHandle.ByteRange.Length.QuadPart = HTTP_BYTE_RANGE_TO_EOF;
#else
  chunk.FromFileHandle.ByteRange.Length.QuadPart = HTTP_BYTE_RANGE_TO_EOF;
#endif
  HttpSendResponseEntityBody(nullptr, HTTP_NULL_ID, 0, 1, &chunk, nullptr, nullptr, 0, nullptr, nullptr);
  std::thread([&] { listener->wait(nullptr); }).join();
  return static_cast<int>(listener->open(TEXT("http://+:80/")));
}
