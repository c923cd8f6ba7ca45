// SPDX-License-Identifier: GPL-3.0-or-later
// The application of the system tests: answers each request with what the API did, as JSON. Its mode says how it makes its
// overlapped calls.
//   api_server blocking|event|port THREADS QUEUE-NAME|- create|open URL...
// Requests (query: key=value pairs):
//   /plain                       200, the process id
//   /request                     what HttpReceiveHttpRequest delivered
//   /certificate?flags&size&times&retry&cancel&until    HttpReceiveClientCertificate, `times` calls with buffers of `size`; retry=1:
//                                after ERROR_MORE_DATA with the exact size; cancel=MS: after so long; until=PATH: says "asking" and
//                                begins when there is such a file
//   /echo                        reads the body and sends it back;  /count: only its length
//   /stream?bytes&pieces         a chunked response in pieces;  /until-close?bytes: no length
//   /file?path&offset&length     a file-handle chunk
//   /wait                        HttpWaitForDisconnect, answered when... the client has gone: the log line "disconnected CODE"
//   /cancel                      HttpCancelHttpRequest
//   /hold?until                  says "holding", and answers when there is such a file;  /drop: never answers
//   /unended?until&chunked&extra a complete response that is ended, with an empty send, when there is such a file; asks for the certificate
//                                before that; extra=1: sends a byte too much first;  length=0: one without length or chunks
//   /status?code&...             that status;  /headers: many headers, known ones among the unknown
#include <atomic>
#include <chrono>
#include <clocale>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <fcntl.h>
#include <http.h>
#include <httpsys.h>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <uchar.h>
#include <unistd.h>
#include <vector>

namespace {

HANDLE s_queue, s_port;
std::string s_mode;
std::mutex s_log_mutex;

void log_line(const std::string &line)
{
  std::lock_guard lock(s_log_mutex);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

[[noreturn]] void die(const char *what, ULONG code)
{
  std::fprintf(stderr, "api_server: %s failed with %u: %s\n", what, code, httpsys_last_error_text());
  std::exit(1);
}

// One overlapped call, waited for in the way of the mode. In port mode another thread takes the packets.
struct Call : OVERLAPPED {
  Call() : OVERLAPPED{}
  {
    if (s_mode == "event")
      hEvent = CreateEventA(nullptr, TRUE, FALSE, nullptr);
  }
  ~Call()
  {
    if (hEvent)
      CloseHandle(hEvent);
  }
  std::mutex mutex;
  std::condition_variable condition;
  bool is_done = false;
  DWORD bytes = 0;
  DWORD code = 0;
  std::string reason;

  OVERLAPPED *overlapped() { return s_mode == "blocking" ? nullptr : this; }

  // started: what the call returned.
  ULONG finish(ULONG started, ULONG blocking_bytes)
  {
    if (s_mode == "blocking" || (started != NO_ERROR && started != ERROR_IO_PENDING)) {
      bytes = blocking_bytes;
      reason = httpsys_last_error_text();
      return started;
    }
    if (s_mode == "event") {
      WaitForSingleObject(hEvent, INFINITE);
      code = GetOverlappedResult(s_queue, this, &bytes, FALSE) ? NO_ERROR : GetLastError();
      reason = httpsys_last_error_text();
      return code;
    }
    std::unique_lock lock(mutex);
    condition.wait(lock, [this] { return is_done; });
    return code;
  }
};

void take_packets()
{
  for (;;) {
    DWORD bytes = 0;
    ULONG_PTR key = 0;
    OVERLAPPED *overlapped = nullptr;
    BOOL good = GetQueuedCompletionStatus(s_port, &bytes, &key, &overlapped, INFINITE);
    DWORD code = good ? NO_ERROR : GetLastError();
    std::string reason = httpsys_last_error_text();
    if (!overlapped)
      return;
    auto *call = static_cast<Call *>(overlapped);
    std::lock_guard lock(call->mutex);
    call->bytes = bytes;
    call->code = code;
    call->reason = reason;
    call->is_done = true;
    call->condition.notify_one();
  }
}

std::string escaped(const std::string &text)
{
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", c);
      out += code;
    } else {
      out += c;
    }
  }
  return out;
}

std::string hex(const void *data, size_t size)
{
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < size; i++) {
    auto byte = static_cast<const unsigned char *>(data)[i];
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::string narrow(const WCHAR *text, size_t bytes)
{
  std::string out;
  for (size_t i = 0; text && i < bytes / 2; i++)
    out += text[i] < 0x80 ? static_cast<char>(text[i]) : '?';
  return out;
}

struct Json {
  std::string text = "{";
  void add(const char *key, const std::string &value) { raw(key, '"' + escaped(value) + '"'); }
  void add(const char *key, uint64_t value) { raw(key, std::to_string(value)); }
  void raw(const char *key, const std::string &value)
  {
    text += (text.size() > 1 ? ", \"" : "\"") + std::string(key) + "\": " + value;
  }
  std::string done() const { return text + "}\n"; }
};

class Worker {
public:
  void run()
  {
    for (;;) {
      if (!receive())
        return;
      serve();
    }
  }

private:
  alignas(8) unsigned char m_buffer[65536];
  std::map<std::string, std::string> m_query;
  HTTP_REQUEST &request() { return *reinterpret_cast<HTTP_REQUEST *>(m_buffer); }
  HTTP_REQUEST_ID m_id = 0;

  uint64_t number(const char *key, uint64_t otherwise)
  {
    auto found = m_query.find(key);
    return found == m_query.end() ? otherwise : std::strtoull(found->second.c_str(), nullptr, 0);
  }

  bool receive()
  {
    ULONG bytes = 0;
    Call call;
    ULONG code = HttpReceiveHttpRequest(s_queue, HTTP_NULL_ID, static_cast<ULONG>(s_receive_flags), &request(), sizeof m_buffer,
                                        call.overlapped() ? nullptr : &bytes, call.overlapped());
    code = call.finish(code, bytes);
    if (code == NO_ERROR)
      return true;
    log_line("receive ended " + std::to_string(code));
    return false;
  }

  void send(USHORT status, const std::string &body, const char *content_type = "application/json")
  {
    HTTP_RESPONSE response{};
    HTTP_DATA_CHUNK chunk{};
    response.StatusCode = status;
    response.pReason = "Reason";
    response.ReasonLength = 6;
    response.Headers.KnownHeaders[HttpHeaderContentType].pRawValue = content_type;
    response.Headers.KnownHeaders[HttpHeaderContentType].RawValueLength = static_cast<USHORT>(std::strlen(content_type));
    chunk.DataChunkType = HttpDataChunkFromMemory;
    chunk.FromMemory.pBuffer = const_cast<char *>(body.data());
    chunk.FromMemory.BufferLength = static_cast<ULONG>(body.size());
    response.EntityChunkCount = body.empty() ? 0 : 1;
    response.pEntityChunks = &chunk;
    send(response, 0);
  }

  ULONG send(HTTP_RESPONSE &response, ULONG flags)
  {
    Call call;
    ULONG bytes = 0;
    ULONG code = call.finish(HttpSendHttpResponse(s_queue, m_id, flags, &response, nullptr, call.overlapped() ? nullptr : &bytes,
                                                  nullptr, 0, call.overlapped(), nullptr),
                             bytes);
    if (code != NO_ERROR)
      log_line("send ended " + std::to_string(code) + " " + call.reason);
    return code;
  }

  ULONG send_body(const void *data, size_t size, ULONG flags)
  {
    HTTP_DATA_CHUNK chunk{};
    chunk.DataChunkType = HttpDataChunkFromMemory;
    chunk.FromMemory.pBuffer = const_cast<void *>(data);
    chunk.FromMemory.BufferLength = static_cast<ULONG>(size);
    Call call;
    ULONG bytes = 0;
    ULONG code = HttpSendResponseEntityBody(s_queue, m_id, flags, size ? 1 : 0, size ? &chunk : nullptr,
                                            call.overlapped() ? nullptr : &bytes, nullptr, 0, call.overlapped(), nullptr);
    return call.finish(code, bytes);
  }

  void parse_query()
  {
    m_query.clear();
    std::string raw(request().pRawUrl, request().RawUrlLength);
    size_t at = raw.find('?');
    while (at != raw.npos) {
      size_t end = raw.find('&', at + 1);
      std::string pair = raw.substr(at + 1, end == raw.npos ? raw.npos : end - at - 1);
      size_t equals = pair.find('=');
      m_query[pair.substr(0, equals)] = equals == pair.npos ? "" : pair.substr(equals + 1);
      at = end;
    }
  }

  void serve()
  {
    m_id = request().RequestId;
    parse_query();
    std::string path = narrow(request().CookedUrl.pAbsPath, request().CookedUrl.AbsPathLength);
    path = path.substr(path.rfind('/'));
    static const std::map<std::string, void (Worker::*)()> actions = {
        {"/request", &Worker::tell_request},
        {"/certificate", &Worker::certificate},
        {"/echo", &Worker::echo},
        {"/count", &Worker::count},
        {"/stream", &Worker::stream},
        {"/until-close", &Worker::until_close},
        {"/file", &Worker::file},
        {"/wait", &Worker::wait_disconnect},
        {"/cancel", &Worker::cancel},
        {"/hold", &Worker::hold},
        {"/drop", &Worker::drop},
        {"/unended", &Worker::unended},
        {"/status", &Worker::status},
        {"/headers", &Worker::headers},
    };
    auto found = actions.find(path);
    if (found != actions.end())
      return (this->*found->second)();
    Json json;
    json.add("pid", static_cast<uint64_t>(getpid()));
    send(200, json.done());
  }

  void tell_request()
  {
    HTTP_REQUEST &r = request();
    Json json;
    json.add("verb", static_cast<uint64_t>(r.Verb));
    json.add("unknown_verb", std::string(r.pUnknownVerb ? r.pUnknownVerb : "", r.UnknownVerbLength));
    json.add("raw_url", std::string(r.pRawUrl, r.RawUrlLength));
    json.add("full_url", narrow(r.CookedUrl.pFullUrl, r.CookedUrl.FullUrlLength));
    json.add("host", narrow(r.CookedUrl.pHost, r.CookedUrl.HostLength));
    json.add("path", narrow(r.CookedUrl.pAbsPath, r.CookedUrl.AbsPathLength));
    json.add("query", narrow(r.CookedUrl.pQueryString, r.CookedUrl.QueryStringLength));
    json.add("minor", static_cast<uint64_t>(r.Version.MinorVersion));
    json.add("context", r.UrlContext);
    json.add("flags", static_cast<uint64_t>(r.Flags));
    json.add("received", r.BytesReceived);
    json.add("raw_connection", r.RawConnectionId);
    json.add("tls", static_cast<uint64_t>(r.pSslInfo ? 1 : 0));
    if (r.pSslInfo) {
      json.add("key_size", static_cast<uint64_t>(r.pSslInfo->ServerCertKeySize));
      json.add("subject", std::string(r.pSslInfo->pServerCertSubject, r.pSslInfo->ServerCertSubjectSize));
      json.add("negotiated", static_cast<uint64_t>(r.pSslInfo->SslClientCertNegotiated));
      if (auto *info = r.pSslInfo->pClientCertInfo) {
        json.add("client_certificate", hex(info->pCertEncoded, info->CertEncodedSize));
        json.add("client_flags", static_cast<uint64_t>(info->CertFlags));
      }
    }
    for (USHORT i = 0; i < r.RequestInfoCount; i++)
      if (r.pRequestInfo[i].InfoType == HttpRequestInfoTypeSslProtocol)
        json.add("protocol", static_cast<uint64_t>(static_cast<HTTP_SSL_PROTOCOL_INFO *>(r.pRequestInfo[i].pInfo)->Protocol));
    std::string body;
    for (USHORT i = 0; i < r.EntityChunkCount; i++)
      body.append(static_cast<const char *>(r.pEntityChunks[i].FromMemory.pBuffer), r.pEntityChunks[i].FromMemory.BufferLength);
    json.add("chunk", body);
    std::string known, unknown;
    for (int id = 0; id < HttpHeaderRequestMaximum; id++)
      if (r.Headers.KnownHeaders[id].pRawValue)
        known +=
            (known.empty() ? "\"" : ", \"") + std::to_string(id) + "\": \"" + escaped(r.Headers.KnownHeaders[id].pRawValue) + '"';
    for (USHORT i = 0; i < r.Headers.UnknownHeaderCount; i++) {
      const HTTP_UNKNOWN_HEADER &header = r.Headers.pUnknownHeaders[i];
      unknown += (unknown.empty() ? "\"" : ", \"") + escaped(std::string(header.pName, header.NameLength)) + "\": \"" +
                 escaped(std::string(header.pRawValue ? header.pRawValue : "", header.RawValueLength)) + '"';
    }
    json.raw("known", "{" + known + "}");
    json.raw("unknown", "{" + unknown + "}");
    send(200, json.done());
  }

  std::string certificate_call(ULONG flags, ULONG size, ULONG &code, ULONG &data_size)
  {
    std::vector<unsigned char> memory(size + 8, 0xee);
    auto *info = reinterpret_cast<HTTP_SSL_CLIENT_CERT_INFO *>(memory.data());
    auto *token = reinterpret_cast<HTTP_REQUEST_CHANNEL_BIND_STATUS *>(memory.data());
    Call call;
    ULONG bytes = 0xeeee;
    auto begin = std::chrono::steady_clock::now();
    ULONG returned = HttpReceiveClientCertificate(s_queue, request().ConnectionId, flags, info, size,
                                                  call.overlapped() ? nullptr : &bytes, call.overlapped());
    if (uint64_t cancel_after = number("cancel", 0); cancel_after && call.overlapped()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(cancel_after));
      if (!CancelIoEx(s_queue, call.overlapped()))
        log_line("CancelIoEx failed " + std::to_string(GetLastError()));
    }
    code = call.finish(returned, bytes);
    log_line("certificate ended " + std::to_string(code));
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
    Json json;
    json.add("returned", static_cast<uint64_t>(returned));
    json.add("code", static_cast<uint64_t>(code));
    json.add("bytes", static_cast<uint64_t>(call.bytes));
    json.add("reason", call.reason);
    json.add("took", static_cast<uint64_t>(took));
    bool is_written = code == NO_ERROR || code == ERROR_MORE_DATA;
    json.add("untouched", static_cast<uint64_t>(memory[0] == 0xee && memory[size / 2] == 0xee));
    json.add("past_end", static_cast<uint64_t>(memory[size] == 0xee));
    if (is_written && flags != HTTP_RECEIVE_SECURE_CHANNEL_TOKEN) {
      data_size = info->CertEncodedSize;
      json.add("size", static_cast<uint64_t>(info->CertEncodedSize));
      json.add("flags", static_cast<uint64_t>(info->CertFlags));
      json.add("offset",
               static_cast<uint64_t>(info->pCertEncoded ? static_cast<unsigned char *>(info->pCertEncoded) - memory.data() : 0));
      json.add("token_null", static_cast<uint64_t>(info->Token == nullptr && !info->CertDeniedByMapper));
      if (code == NO_ERROR)
        json.add("data", hex(info->pCertEncoded, info->CertEncodedSize));
    } else if (is_written) {
      data_size = token->ChannelTokenSize;
      json.add("size", static_cast<uint64_t>(token->ChannelTokenSize));
      json.add("offset", static_cast<uint64_t>(token->ChannelToken ? token->ChannelToken - memory.data() : 0));
      if (code == NO_ERROR)
        json.add("data", hex(token->ChannelToken, token->ChannelTokenSize));
    }
    return json.done();
  }

  void wait_for_file()
  {
    while (access(m_query["until"].c_str(), F_OK) != 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  void certificate()
  {
    auto flags = static_cast<ULONG>(number("flags", 0));
    auto size = static_cast<ULONG>(number("size", 1500));
    std::string calls;
    if (m_query.contains("until")) {
      log_line("asking");
      wait_for_file();
    }
    for (uint64_t i = 0; i < number("times", 1); i++) {
      ULONG code = 0, data_size = 0;
      calls += (calls.empty() ? "" : ", ") + certificate_call(flags, size, code, data_size);
      if (code == ERROR_MORE_DATA && number("retry", 0))
        calls += ", " + certificate_call(flags, (flags == 1 ? 24 : 32) + data_size - static_cast<ULONG>(number("less", 0)), code,
                                         data_size);
    }
    Json json;
    json.raw("calls", "[" + calls + "]");
    json.add("known_before", static_cast<uint64_t>(request().pSslInfo && request().pSslInfo->pClientCertInfo ? 1 : 0));
    send(200, json.done());
  }

  ULONG read_body(std::string &body, ULONG size)
  {
    std::vector<char> buffer(size);
    for (;;) {
      Call call;
      ULONG bytes = 0;
      ULONG code = HttpReceiveRequestEntityBody(s_queue, m_id, static_cast<ULONG>(number("fill", 0)), buffer.data(), size,
                                                call.overlapped() ? nullptr : &bytes, call.overlapped());
      code = call.finish(code, bytes);
      if (code != NO_ERROR)
        return code;
      body.append(buffer.data(), call.bytes);
    }
  }

  void echo()
  {
    std::string body;
    ULONG code = read_body(body, static_cast<ULONG>(number("size", 65536)));
    if (code != ERROR_HANDLE_EOF)
      log_line("body ended " + std::to_string(code));
    send(200, body, "application/octet-stream");
  }

  void count()
  {
    std::string body;
    Json json;
    json.add("end", static_cast<uint64_t>(read_body(body, static_cast<ULONG>(number("size", 65536)))));
    json.add("bytes", body.size());
    send(200, json.done());
  }

  void stream()
  {
    HTTP_RESPONSE response{};
    response.StatusCode = 200;
    response.Headers.KnownHeaders[HttpHeaderTransferEncoding].pRawValue = "chunked";
    response.Headers.KnownHeaders[HttpHeaderTransferEncoding].RawValueLength = 7;
    if (send(response, HTTP_SEND_RESPONSE_FLAG_MORE_DATA) != NO_ERROR)
      return;
    std::string piece(number("bytes", 1000), 'x');
    char head[32];
    int length = std::snprintf(head, sizeof head, "%zx\r\n", piece.size());
    std::string framed = std::string(head, static_cast<size_t>(length)) + piece + "\r\n";
    for (uint64_t i = 0; i < number("pieces", 3); i++)
      if (ULONG code = send_body(framed.data(), framed.size(), HTTP_SEND_RESPONSE_FLAG_MORE_DATA); code != NO_ERROR)
        return log_line("piece ended " + std::to_string(code));
    send_body("0\r\n\r\n", 5, 0);
  }

  void until_close()
  {
    HTTP_RESPONSE response{};
    response.StatusCode = 200;
    send(response, HTTP_SEND_RESPONSE_FLAG_MORE_DATA);
    std::string body(number("bytes", 1000), 'y');
    send_body(body.data(), body.size(), HTTP_SEND_RESPONSE_FLAG_DISCONNECT);
  }

  void file()
  {
    int descriptor = open(m_query["path"].c_str(), O_RDONLY | O_CLOEXEC);
    HANDLE handle = httpsys_file_from_fd(descriptor);
    close(descriptor);
    HTTP_RESPONSE response{};
    HTTP_DATA_CHUNK chunk{};
    response.StatusCode = 200;
    chunk.DataChunkType = HttpDataChunkFromFileHandle;
    chunk.FromFileHandle.FileHandle = handle;
    chunk.FromFileHandle.ByteRange.StartingOffset.QuadPart = number("offset", 0);
    chunk.FromFileHandle.ByteRange.Length.QuadPart = number("length", HTTP_BYTE_RANGE_TO_EOF);
    response.EntityChunkCount = 1;
    response.pEntityChunks = &chunk;
    if (ULONG code = send(response, 0); code != NO_ERROR)
      log_line("file ended " + std::to_string(code));
    CloseHandle(handle);
  }

  void wait_disconnect()
  {
    Call call;
    ULONG code = call.finish(HttpWaitForDisconnect(s_queue, request().ConnectionId, call.overlapped()), 0);
    log_line("disconnected " + std::to_string(code));
    send(200, "{}");
  }

  void cancel()
  {
    Call call;
    ULONG code = call.finish(HttpCancelHttpRequest(s_queue, m_id, call.overlapped()), 0);
    log_line("cancelled " + std::to_string(code));
  }

  void hold()
  {
    log_line("holding");
    wait_for_file();
    Json json;
    json.add("pid", static_cast<uint64_t>(getpid()));
    send(200, json.done());
  }

  void unended()
  {
    HTTP_RESPONSE response{};
    response.StatusCode = 200;
    bool is_chunked = number("chunked", 0);
    const char *value = is_chunked ? "chunked" : number("length", 1) ? "2" : "";
    auto &field = response.Headers.KnownHeaders[is_chunked ? HttpHeaderTransferEncoding : HttpHeaderContentLength];
    field = {static_cast<USHORT>(std::strlen(value)), value};
    const std::string body = is_chunked ? "2\r\nok\r\n0\r\n\r\n" : "ok";
    if (send(response, HTTP_SEND_RESPONSE_FLAG_MORE_DATA) != NO_ERROR ||
        send_body(body.data(), body.size(), HTTP_SEND_RESPONSE_FLAG_MORE_DATA) != NO_ERROR)
      return;
    log_line("unended");
    wait_for_file();
    ULONG code = 0, data_size = 0;
    certificate_call(0, 1500, code, data_size);
    if (number("extra", 0))
      log_line("extra " + std::to_string(send_body("x", 1, HTTP_SEND_RESPONSE_FLAG_MORE_DATA)));
    log_line("ended " + std::to_string(send_body(nullptr, 0, 0)));
    log_line("again " + std::to_string(send_body(nullptr, 0, 0)));
  }

  void drop() { log_line("dropped"); }

  void status() { send(static_cast<USHORT>(number("code", 200)), number("body", 1) ? "body" : "", "text/plain"); }

  // cpprestsdk's habit: every header in the unknown array.
  void headers()
  {
    std::string body = "12345";
    HTTP_UNKNOWN_HEADER unknown[] = {{14, 1, "content-length", "5"},
                                     {4, 29, "Date", "Mon, 01 Jan 1990 00:00:00 GMT"},
                                     {6, 4, "Server", "mine"},
                                     {6, 3, "X-Test", "yes"}};
    HTTP_RESPONSE response{};
    response.StatusCode = 200;
    response.Headers.UnknownHeaderCount = 4;
    response.Headers.pUnknownHeaders = unknown;
    if (send(response, HTTP_SEND_RESPONSE_FLAG_MORE_DATA) == NO_ERROR)
      send_body(body.data(), body.size(), 0);
  }

public:
  static inline uint64_t s_receive_flags = 0;
};

// Of UTF-8.
std::u16string wide(std::string_view text)
{
  std::setlocale(LC_CTYPE, "C.UTF-8");
  std::u16string result;
  std::mbstate_t state{};
  while (!text.empty() || !std::mbsinit(&state)) {
    char16_t unit = 0;
    size_t taken = mbrtoc16(&unit, text.data(), text.size(), &state);
    if (taken > text.size() && taken != static_cast<size_t>(-3)) // -3: the second half of what was taken before
      die("a word that is not UTF-8", ERROR_INVALID_PARAMETER);
    result += unit;
    text.remove_prefix(taken > text.size() ? 0 : taken);
  }
  return result;
}

}

int main(int argc, char **argv)
{
  if (argc < 5)
    return std::fprintf(stderr, "usage: api_server blocking|event|port THREADS QUEUE-NAME|- create|open URL...\n"), 2;
  s_mode = argv[1];
  std::u16string name = wide(argv[3]);
  bool opens = std::strcmp(argv[4], "open") == 0;
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  HTTP_SERVER_SESSION_ID session = 0;
  HTTP_URL_GROUP_ID group = 0;
  if (const char *flags = std::getenv("RECEIVE_FLAGS"))
    Worker::s_receive_flags = std::strtoull(flags, nullptr, 0);
  if (ULONG code = HttpInitialize(version, HTTP_INITIALIZE_SERVER, nullptr); code != NO_ERROR)
    die("HttpInitialize", code);
  ULONG queue_flags = opens ? HTTP_CREATE_REQUEST_QUEUE_FLAG_OPEN_EXISTING : 0;
  if (ULONG code = HttpCreateRequestQueue(version, name == u"-" ? nullptr : name.c_str(), nullptr, queue_flags, &s_queue);
      code != NO_ERROR)
    die("HttpCreateRequestQueue", code);
  if (!opens) {
    HTTP_BINDING_INFO binding{};
    binding.Flags.Present = 1;
    binding.RequestQueueHandle = s_queue;
    if (ULONG code = HttpCreateServerSession(version, &session, 0); code != NO_ERROR)
      die("HttpCreateServerSession", code);
    if (ULONG code = HttpCreateUrlGroup(session, &group, 0); code != NO_ERROR)
      die("HttpCreateUrlGroup", code);
    if (ULONG code = HttpSetUrlGroupProperty(group, HttpServerBindingProperty, &binding, sizeof binding); code != NO_ERROR)
      die("HttpSetUrlGroupProperty", code);
  }
  for (int i = 5; i < argc; i++)
    if (ULONG code = HttpAddUrlToUrlGroup(group, wide(argv[i]).c_str(), 4242, 0); code != NO_ERROR)
      die(argv[i], code);
  if (s_mode == "port") {
    s_port = CreateIoCompletionPort(s_queue, nullptr, 0, 0);
    std::thread(take_packets).detach();
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[2]); i++)
    threads.emplace_back([] { Worker().run(); });
  log_line("ready");
  for (auto &thread : threads)
    thread.join();
}
