/* SPDX-License-Identifier: MIT */
/* Requests and responses: the structures of http.h, which includes this file. Lengths are in bytes without the final NUL, for wide
 * strings too. Everything that a received structure points to lies in the buffer that it was received into. */
#ifndef HTTPSYS_HTTPAPI_MESSAGE_H
#define HTTPSYS_HTTPAPI_MESSAGE_H

/* Ids are given by the server and mean nothing to the caller; 0 is none. */
typedef ULONGLONG HTTP_OPAQUE_ID, *PHTTP_OPAQUE_ID;
typedef HTTP_OPAQUE_ID HTTP_REQUEST_ID, *PHTTP_REQUEST_ID;
typedef HTTP_OPAQUE_ID HTTP_CONNECTION_ID, *PHTTP_CONNECTION_ID;
typedef HTTP_OPAQUE_ID HTTP_RAW_CONNECTION_ID, *PHTTP_RAW_CONNECTION_ID;
typedef HTTP_OPAQUE_ID HTTP_URL_GROUP_ID, *PHTTP_URL_GROUP_ID;
typedef HTTP_OPAQUE_ID HTTP_SERVER_SESSION_ID, *PHTTP_SERVER_SESSION_ID;
typedef HTTP_OPAQUE_ID HTTP_CLIENT_REQUEST_ID, *PHTTP_CLIENT_REQUEST_ID;
typedef HTTP_OPAQUE_ID HTTP_CLIENT_CONNECTION_ID, *PHTTP_CLIENT_CONNECTION_ID;
typedef HTTP_OPAQUE_ID HTTP_CLIENT_CREDENTIAL_ID, *PHTTP_CLIENT_CREDENTIAL_ID;
typedef HTTP_OPAQUE_ID HTTP_CLIENT_STREAM_ID, *PHTTP_CLIENT_STREAM_ID;
/* Chosen by the caller with HttpAddUrlToUrlGroup, handed back with each request. */
typedef ULONGLONG HTTP_URL_CONTEXT, *PHTTP_URL_CONTEXT;

typedef struct _HTTP_VERSION {
  USHORT MajorVersion;
  USHORT MinorVersion;
} HTTP_VERSION, *PHTTP_VERSION;

/* Length may be HTTP_BYTE_RANGE_TO_EOF. */
typedef struct _HTTP_BYTE_RANGE {
  ULARGE_INTEGER StartingOffset;
  ULARGE_INTEGER Length;
} HTTP_BYTE_RANGE, *PHTTP_BYTE_RANGE;

/* Headers. */
typedef struct _HTTP_KNOWN_HEADER {
  USHORT RawValueLength;
  PCSTR pRawValue;
} HTTP_KNOWN_HEADER, *PHTTP_KNOWN_HEADER;

typedef struct _HTTP_UNKNOWN_HEADER {
  USHORT NameLength;
  USHORT RawValueLength;
  PCSTR pName;
  PCSTR pRawValue;
} HTTP_UNKNOWN_HEADER, *PHTTP_UNKNOWN_HEADER;

typedef struct _HTTP_REQUEST_HEADERS {
  USHORT UnknownHeaderCount;
  PHTTP_UNKNOWN_HEADER pUnknownHeaders;
  USHORT TrailerCount;
  PHTTP_UNKNOWN_HEADER pTrailers;
  HTTP_KNOWN_HEADER KnownHeaders[HttpHeaderRequestMaximum];
} HTTP_REQUEST_HEADERS, *PHTTP_REQUEST_HEADERS;

typedef struct _HTTP_RESPONSE_HEADERS {
  USHORT UnknownHeaderCount;
  PHTTP_UNKNOWN_HEADER pUnknownHeaders;
  USHORT TrailerCount;
  PHTTP_UNKNOWN_HEADER pTrailers;
  HTTP_KNOWN_HEADER KnownHeaders[HttpHeaderResponseMaximum];
} HTTP_RESPONSE_HEADERS, *PHTTP_RESPONSE_HEADERS;

/* Bodies. */
typedef struct _HTTP_WINHTTP_FAST_FORWARDING_DATA {
  UCHAR Reserved[16];
} HTTP_WINHTTP_FAST_FORWARDING_DATA, *PHTTP_WINHTTP_FAST_FORWARDING_DATA;

/* DataChunkType says which member of the union holds. */
typedef struct _HTTP_DATA_CHUNK {
  HTTP_DATA_CHUNK_TYPE DataChunkType;
  HTTPSYS_NAMELESS union {
    struct {
      PVOID pBuffer;
      ULONG BufferLength;
    } FromMemory;
    struct {
      HTTP_BYTE_RANGE ByteRange;
      HANDLE FileHandle; /* of httpsys_file_from_fd() */
    } FromFileHandle;
    struct {
      USHORT FragmentNameLength;
      PCWSTR pFragmentName;
    } FromFragmentCache;
    struct {
      HTTP_BYTE_RANGE ByteRange;
      PCWSTR pFragmentName;
    } FromFragmentCacheEx;
    struct {
      USHORT TrailerCount;
      PHTTP_UNKNOWN_HEADER pTrailers;
    } Trailers;
    struct {
      HTTP_WINHTTP_FAST_FORWARDING_DATA WhFastForwardingData;
    } FromWinHttpFastForwarding;
  } DUMMYUNIONNAME;
} HTTP_DATA_CHUNK, *PHTTP_DATA_CHUNK;

typedef struct _HTTP_CACHE_POLICY {
  HTTP_CACHE_POLICY_TYPE Policy;
  ULONG SecondsToLive;
} HTTP_CACHE_POLICY, *PHTTP_CACHE_POLICY;

/* Addresses and URLs. sa_family has the system's numbers (AF_INET6 is 10). */
typedef struct _HTTP_TRANSPORT_ADDRESS {
  PSOCKADDR pRemoteAddress;
  PSOCKADDR pLocalAddress;
} HTTP_TRANSPORT_ADDRESS, *PHTTP_TRANSPORT_ADDRESS;

/* One string: pHost, pAbsPath and pQueryString point into pFullUrl. HostLength counts the port, QueryStringLength the question mark. */
typedef struct _HTTP_COOKED_URL {
  USHORT FullUrlLength;
  USHORT HostLength;
  USHORT AbsPathLength;
  USHORT QueryStringLength;
  PCWSTR pFullUrl;
  PCWSTR pHost;
  PCWSTR pAbsPath;
  PCWSTR pQueryString;
} HTTP_COOKED_URL, *PHTTP_COOKED_URL;

/* TLS. CertFlags is 0 or one code of winerror.h; pCertEncoded points to the certificate in DER. */
typedef struct _HTTP_SSL_CLIENT_CERT_INFO {
  ULONG CertFlags;
  ULONG CertEncodedSize;
  PUCHAR pCertEncoded;
  HANDLE Token;
  BOOLEAN CertDeniedByMapper;
} HTTP_SSL_CLIENT_CERT_INFO, *PHTTP_SSL_CLIENT_CERT_INFO;

typedef struct _HTTP_SSL_INFO {
  USHORT ServerCertKeySize;
  USHORT ConnectionKeySize;
  ULONG ServerCertIssuerSize;
  ULONG ServerCertSubjectSize;
  PCSTR pServerCertIssuer;
  PCSTR pServerCertSubject;
  PHTTP_SSL_CLIENT_CERT_INFO pClientCertInfo;
  ULONG SslClientCertNegotiated;
} HTTP_SSL_INFO, *PHTTP_SSL_INFO;

typedef struct _HTTP_SSL_PROTOCOL_INFO {
  ULONG Protocol;
  ULONG CipherType;
  ULONG CipherStrength;
  ULONG HashType;
  ULONG HashStrength;
  ULONG KeyExchangeType;
  ULONG KeyExchangeStrength;
} HTTP_SSL_PROTOCOL_INFO, *PHTTP_SSL_PROTOCOL_INFO;

typedef struct _HTTP_SERVICE_BINDING_BASE {
  HTTP_SERVICE_BINDING_TYPE Type;
} HTTP_SERVICE_BINDING_BASE, *PHTTP_SERVICE_BINDING_BASE;

typedef struct _HTTP_SERVICE_BINDING_A {
  HTTP_SERVICE_BINDING_BASE Base;
  PCHAR Buffer;
  ULONG BufferSize;
} HTTP_SERVICE_BINDING_A, *PHTTP_SERVICE_BINDING_A;

typedef struct _HTTP_SERVICE_BINDING_W {
  HTTP_SERVICE_BINDING_BASE Base;
  PWCHAR Buffer;
  ULONG BufferSize;
} HTTP_SERVICE_BINDING_W, *PHTTP_SERVICE_BINDING_W;

/* HttpReceiveClientCertificate with HTTP_RECEIVE_SECURE_CHANNEL_TOKEN. ChannelToken points to SEC_CHANNEL_BINDINGS (sspi.h). */
typedef struct _HTTP_REQUEST_CHANNEL_BIND_STATUS {
  PHTTP_SERVICE_BINDING_BASE ServiceName;
  PUCHAR ChannelToken;
  ULONG ChannelTokenSize;
  ULONG Flags;
} HTTP_REQUEST_CHANNEL_BIND_STATUS, *PHTTP_REQUEST_CHANNEL_BIND_STATUS;

typedef struct _HTTP_REQUEST_TOKEN_BINDING_INFO {
  PUCHAR TokenBinding;
  ULONG TokenBindingSize;
  PUCHAR EKM;
  ULONG EKMSize;
  UCHAR KeyType;
} HTTP_REQUEST_TOKEN_BINDING_INFO, *PHTTP_REQUEST_TOKEN_BINDING_INFO;

/* What is known of a request beside itself: InfoType says what pInfo points to. */
typedef struct _HTTP_REQUEST_INFO {
  HTTP_REQUEST_INFO_TYPE InfoType;
  ULONG InfoLength;
  PVOID pInfo;
} HTTP_REQUEST_INFO, *PHTTP_REQUEST_INFO;

typedef struct _HTTP_REQUEST_AUTH_INFO {
  HTTP_AUTH_STATUS AuthStatus;
  SECURITY_STATUS SecStatus;
  ULONG Flags;
  HTTP_REQUEST_AUTH_TYPE AuthType;
  HANDLE AccessToken;
  ULONG ContextAttributes;
  ULONG PackedContextLength;
  ULONG PackedContextType;
  PVOID PackedContext;
  ULONG MutualAuthDataLength;
  PCHAR pMutualAuthData;
  USHORT PackageNameLength;
  PWSTR pPackageName;
} HTTP_REQUEST_AUTH_INFO, *PHTTP_REQUEST_AUTH_INFO;

typedef struct _HTTP_REQUEST_SIZING_INFO {
  ULONGLONG Flags;
  ULONG RequestIndex;
  ULONG RequestSizingCount;
  ULONGLONG RequestSizing[HttpRequestSizingTypeMax];
} HTTP_REQUEST_SIZING_INFO, *PHTTP_REQUEST_SIZING_INFO;

typedef struct _HTTP_REQUEST_TIMING_INFO {
  ULONG RequestTimingCount;
  ULONGLONG RequestTiming[HttpRequestTimingTypeMax];
} HTTP_REQUEST_TIMING_INFO, *PHTTP_REQUEST_TIMING_INFO;

typedef struct _HTTP_REQUEST_TRANSPORT_IDLE_CONNECTION_TIMEOUT_INFO {
  USHORT TransportIdleConnectionTimeout; /* seconds */
} HTTP_REQUEST_TRANSPORT_IDLE_CONNECTION_TIMEOUT_INFO, *PHTTP_REQUEST_TRANSPORT_IDLE_CONNECTION_TIMEOUT_INFO;

typedef struct _HTTP_REQUEST_DSCP_INFO {
  UCHAR DscpTag;
} HTTP_REQUEST_DSCP_INFO, *PHTTP_REQUEST_DSCP_INFO;

typedef struct _HTTP_REQUEST_INITIAL_PACKET_TTL_INFO {
  UCHAR InitialPacketTtl;
} HTTP_REQUEST_INITIAL_PACKET_TTL_INFO, *PHTTP_REQUEST_INITIAL_PACKET_TTL_INFO;

/* Requests. The second version begins with the first: by inheritance in C++; in C its members are also the second's own, and `s` is
 * the whole first part, so that request->RequestId and request->s.RequestId both work. */
#define HTTPSYS_REQUEST_V1_MEMBERS  \
  ULONG Flags;                      \
  HTTP_CONNECTION_ID ConnectionId;  \
  HTTP_REQUEST_ID RequestId;        \
  HTTP_URL_CONTEXT UrlContext;      \
  HTTP_VERSION Version;             \
  HTTP_VERB Verb;                   \
  USHORT UnknownVerbLength;         \
  USHORT RawUrlLength;              \
  PCSTR pUnknownVerb;               \
  PCSTR pRawUrl;                    \
  HTTP_COOKED_URL CookedUrl;        \
  HTTP_TRANSPORT_ADDRESS Address;   \
  HTTP_REQUEST_HEADERS Headers;     \
  ULONGLONG BytesReceived;          \
  USHORT EntityChunkCount;          \
  PHTTP_DATA_CHUNK pEntityChunks;   \
  HTTP_RAW_CONNECTION_ID RawConnectionId; \
  PHTTP_SSL_INFO pSslInfo;

typedef struct _HTTP_REQUEST_V1 {
  HTTPSYS_REQUEST_V1_MEMBERS
} HTTP_REQUEST_V1, *PHTTP_REQUEST_V1;

#ifdef __cplusplus
typedef struct _HTTP_REQUEST_V2 : _HTTP_REQUEST_V1 {
#else
typedef struct _HTTP_REQUEST_V2 {
  HTTPSYS_NAMELESS union {
    HTTP_REQUEST_V1 s;
    HTTPSYS_NAMELESS struct {
      HTTPSYS_REQUEST_V1_MEMBERS
    };
  };
#endif
  USHORT RequestInfoCount;
  PHTTP_REQUEST_INFO pRequestInfo;
} HTTP_REQUEST_V2, *PHTTP_REQUEST_V2;

/* Responses, in the same way. */
typedef struct _HTTP_RESPONSE_INFO {
  HTTP_RESPONSE_INFO_TYPE Type;
  ULONG Length;
  PVOID pInfo;
} HTTP_RESPONSE_INFO, *PHTTP_RESPONSE_INFO;

typedef struct _HTTP_MULTIPLE_KNOWN_HEADERS {
  HTTP_HEADER_ID HeaderId;
  ULONG Flags;
  USHORT KnownHeaderCount;
  PHTTP_KNOWN_HEADER KnownHeaders;
} HTTP_MULTIPLE_KNOWN_HEADERS, *PHTTP_MULTIPLE_KNOWN_HEADERS;

#define HTTPSYS_RESPONSE_V1_MEMBERS \
  ULONG Flags;                      \
  HTTP_VERSION Version;             \
  USHORT StatusCode;                \
  USHORT ReasonLength;              \
  PCSTR pReason;                    \
  HTTP_RESPONSE_HEADERS Headers;    \
  USHORT EntityChunkCount;          \
  PHTTP_DATA_CHUNK pEntityChunks;

typedef struct _HTTP_RESPONSE_V1 {
  HTTPSYS_RESPONSE_V1_MEMBERS
} HTTP_RESPONSE_V1, *PHTTP_RESPONSE_V1;

#ifdef __cplusplus
typedef struct _HTTP_RESPONSE_V2 : _HTTP_RESPONSE_V1 {
#else
typedef struct _HTTP_RESPONSE_V2 {
  HTTPSYS_NAMELESS union {
    HTTP_RESPONSE_V1 s;
    HTTPSYS_NAMELESS struct {
      HTTPSYS_RESPONSE_V1_MEMBERS
    };
  };
#endif
  USHORT ResponseInfoCount;
  PHTTP_RESPONSE_INFO pResponseInfo;
} HTTP_RESPONSE_V2, *PHTTP_RESPONSE_V2;

#if _WIN32_WINNT >= 0x0600
typedef HTTP_REQUEST_V2 HTTP_REQUEST, *PHTTP_REQUEST;
typedef HTTP_RESPONSE_V2 HTTP_RESPONSE, *PHTTP_RESPONSE;
#else
typedef HTTP_REQUEST_V1 HTTP_REQUEST, *PHTTP_REQUEST;
typedef HTTP_RESPONSE_V1 HTTP_RESPONSE, *PHTTP_RESPONSE;
#endif

/* Properties of a request (HttpQueryRequestProperty, HttpSetRequestProperty). */
typedef struct _HTTP_QUERY_REQUEST_QUALIFIER_TCP {
  ULONGLONG Freshness;
} HTTP_QUERY_REQUEST_QUALIFIER_TCP, *PHTTP_QUERY_REQUEST_QUALIFIER_TCP;

typedef struct _HTTP_QUERY_REQUEST_QUALIFIER_QUIC {
  ULONGLONG Freshness;
} HTTP_QUERY_REQUEST_QUALIFIER_QUIC, *PHTTP_QUERY_REQUEST_QUALIFIER_QUIC;

typedef struct _HTTP_REQUEST_PROPERTY_SNI {
  WCHAR Hostname[HTTP_REQUEST_PROPERTY_SNI_HOST_MAX_LENGTH + 1];
  ULONG Flags;
} HTTP_REQUEST_PROPERTY_SNI, *PHTTP_REQUEST_PROPERTY_SNI;

typedef struct _HTTP_REQUEST_PROPERTY_STREAM_ERROR {
  ULONG ErrorCode;
} HTTP_REQUEST_PROPERTY_STREAM_ERROR, *PHTTP_REQUEST_PROPERTY_STREAM_ERROR;

/* Numbers of calls, and sums of the ticks that they took. */
typedef struct _HTTP_WSK_API_TIMINGS {
  ULONGLONG ConnectCount;
  ULONGLONG ConnectSum;
  ULONGLONG DisconnectCount;
  ULONGLONG DisconnectSum;
  ULONGLONG SendCount;
  ULONGLONG SendSum;
  ULONGLONG ReceiveCount;
  ULONGLONG ReceiveSum;
  ULONGLONG ReleaseCount;
  ULONGLONG ReleaseSum;
  ULONGLONG ControlSocketCount;
  ULONGLONG ControlSocketSum;
} HTTP_WSK_API_TIMINGS, *PHTTP_WSK_API_TIMINGS;

typedef struct _HTTP_QUIC_STREAM_API_TIMINGS {
  ULONGLONG OpenCount;
  ULONGLONG OpenSum;
  ULONGLONG CloseCount;
  ULONGLONG CloseSum;
  ULONGLONG StartCount;
  ULONGLONG StartSum;
  ULONGLONG ShutdownCount;
  ULONGLONG ShutdownSum;
  ULONGLONG SendCount;
  ULONGLONG SendSum;
  ULONGLONG ReceiveSetEnabledCount;
  ULONGLONG ReceiveSetEnabledSum;
  ULONGLONG GetParamCount;
  ULONGLONG GetParamSum;
  ULONGLONG SetParamCount;
  ULONGLONG SetParamSum;
  ULONGLONG SetCallbackHandlerCount;
  ULONGLONG SetCallbackHandlerSum;
} HTTP_QUIC_STREAM_API_TIMINGS, *PHTTP_QUIC_STREAM_API_TIMINGS;

typedef struct _HTTP_QUIC_CONNECTION_API_TIMINGS {
  ULONGLONG OpenTime;
  ULONGLONG CloseTime;
  ULONGLONG StartTime;
  ULONGLONG ShutdownTime;
  ULONGLONG SecConfigCreateTime;
  ULONGLONG SecConfigDeleteTime;
  ULONGLONG GetParamCount;
  ULONGLONG GetParamSum;
  ULONGLONG SetParamCount;
  ULONGLONG SetParamSum;
  ULONGLONG SetCallbackHandlerCount;
  ULONGLONG SetCallbackHandlerSum;
  HTTP_QUIC_STREAM_API_TIMINGS ControlStreamTimings;
} HTTP_QUIC_CONNECTION_API_TIMINGS, *PHTTP_QUIC_CONNECTION_API_TIMINGS;

typedef struct _HTTP_QUIC_API_TIMINGS {
  HTTP_QUIC_CONNECTION_API_TIMINGS ConnectionTimings;
  HTTP_QUIC_STREAM_API_TIMINGS StreamTimings;
} HTTP_QUIC_API_TIMINGS, *PHTTP_QUIC_API_TIMINGS;

typedef struct _HTTP_QUIC_STREAM_REQUEST_STATS {
  ULONGLONG StreamWaitStart;
  ULONGLONG StreamWaitEnd;
  ULONGLONG RequestHeadersCompressionStart;
  ULONGLONG RequestHeadersCompressionEnd;
  ULONGLONG ResponseHeadersDecompressionStart;
  ULONGLONG ResponseHeadersDecompressionEnd;
  ULONGLONG RequestHeadersCompressedSize;
  ULONGLONG ResponseHeadersCompressedSize;
} HTTP_QUIC_STREAM_REQUEST_STATS, *PHTTP_QUIC_STREAM_REQUEST_STATS;

/* Delegation, and what a queue may be created with. */
typedef struct _HTTP_DELEGATE_REQUEST_PROPERTY_INFO {
  HTTP_DELEGATE_REQUEST_PROPERTY_ID PropertyId;
  ULONG PropertyInfoLength;
  PVOID PropertyInfo;
} HTTP_DELEGATE_REQUEST_PROPERTY_INFO, *PHTTP_DELEGATE_REQUEST_PROPERTY_INFO;

typedef struct _HTTP_CREATE_REQUEST_QUEUE_PROPERTY_INFO {
  HTTP_CREATE_REQUEST_QUEUE_PROPERTY_ID PropertyId;
  ULONG PropertyInfoLength;
  PVOID PropertyInfo;
} HTTP_CREATE_REQUEST_QUEUE_PROPERTY_INFO, *PHTTP_CREATE_REQUEST_QUEUE_PROPERTY_INFO;

#endif
