/* SPDX-License-Identifier: MIT */
/* Properties of server sessions, URL groups and request queues, and logs: the structures of http.h, which includes this file. Present
 * in Flags says whether the property is set; without it the rest is not looked at. */
#ifndef HTTPSYS_HTTPAPI_PROPERTY_H
#define HTTPSYS_HTTPAPI_PROPERTY_H

typedef struct _HTTP_PROPERTY_FLAGS {
  ULONG Present : 1;
} HTTP_PROPERTY_FLAGS, *PHTTP_PROPERTY_FLAGS;

typedef struct _HTTP_STATE_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  HTTP_ENABLED_STATE State;
} HTTP_STATE_INFO, *PHTTP_STATE_INFO;

/* Binds a URL group to a queue, or with Present 0 unbinds it. */
typedef struct _HTTP_BINDING_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  HANDLE RequestQueueHandle;
} HTTP_BINDING_INFO, *PHTTP_BINDING_INFO;

/* Seconds; MinSendRate in bytes a second. */
typedef struct _HTTP_TIMEOUT_LIMIT_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  USHORT EntityBody;
  USHORT DrainEntityBody;
  USHORT RequestQueue;
  USHORT IdleConnection;
  USHORT HeaderWait;
  ULONG MinSendRate;
} HTTP_TIMEOUT_LIMIT_INFO, *PHTTP_TIMEOUT_LIMIT_INFO;

typedef struct _HTTP_QOS_SETTING_INFO {
  HTTP_QOS_SETTING_TYPE QosType;
  PVOID QosSetting;
} HTTP_QOS_SETTING_INFO, *PHTTP_QOS_SETTING_INFO;

typedef struct _HTTP_CONNECTION_LIMIT_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  ULONG MaxConnections;
} HTTP_CONNECTION_LIMIT_INFO, *PHTTP_CONNECTION_LIMIT_INFO;

/* Bytes a second. */
typedef struct _HTTP_BANDWIDTH_LIMIT_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  ULONG MaxBandwidth;
} HTTP_BANDWIDTH_LIMIT_INFO, *PHTTP_BANDWIDTH_LIMIT_INFO;

typedef struct _HTTP_FLOWRATE_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  ULONG MaxBandwidth;
  ULONG MaxPeakBandwidth;
  ULONG BurstSize;
} HTTP_FLOWRATE_INFO, *PHTTP_FLOWRATE_INFO;

typedef struct _HTTP_LISTEN_ENDPOINT_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  BOOLEAN EnableSharing;
} HTTP_LISTEN_ENDPOINT_INFO, *PHTTP_LISTEN_ENDPOINT_INFO;

typedef struct _HTTP_PROTECTION_LEVEL_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  HTTP_PROTECTION_LEVEL_TYPE Level;
} HTTP_PROTECTION_LEVEL_INFO, *PHTTP_PROTECTION_LEVEL_INFO;

typedef struct _HTTP_FAST_FORWARD_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  BOOLEAN EnableFastForwarding;
} HTTP_FAST_FORWARD_INFO, *PHTTP_FAST_FORWARD_INFO;

typedef struct _HTTP_REQUEST_INFO_PROPERTY_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  ULONGLONG RequestInfoFlags;
} HTTP_REQUEST_INFO_PROPERTY_INFO, *PHTTP_REQUEST_INFO_PROPERTY_INFO;

/* Authentication. Lengths in bytes. */
typedef struct _HTTP_SERVER_AUTHENTICATION_DIGEST_PARAMS {
  USHORT DomainNameLength;
  PWSTR DomainName;
  USHORT RealmLength;
  PWSTR Realm;
} HTTP_SERVER_AUTHENTICATION_DIGEST_PARAMS, *PHTTP_SERVER_AUTHENTICATION_DIGEST_PARAMS;

typedef struct _HTTP_SERVER_AUTHENTICATION_BASIC_PARAMS {
  USHORT RealmLength;
  PWSTR Realm;
} HTTP_SERVER_AUTHENTICATION_BASIC_PARAMS, *PHTTP_SERVER_AUTHENTICATION_BASIC_PARAMS;

typedef struct _HTTP_SERVER_AUTHENTICATION_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  ULONG AuthSchemes;
  BOOLEAN ReceiveMutualAuth;
  BOOLEAN ReceiveContextHandle;
  BOOLEAN DisableNTLMCredentialCaching;
  UCHAR ExFlags;
  HTTP_SERVER_AUTHENTICATION_DIGEST_PARAMS DigestParams;
  HTTP_SERVER_AUTHENTICATION_BASIC_PARAMS BasicParams;
} HTTP_SERVER_AUTHENTICATION_INFO, *PHTTP_SERVER_AUTHENTICATION_INFO;

typedef struct _HTTP_CHANNEL_BIND_INFO {
  HTTP_AUTHENTICATION_HARDENING_LEVELS Hardening;
  ULONG Flags;
  PHTTP_SERVICE_BINDING_BASE *ServiceNames;
  ULONG NumberOfServiceNames;
} HTTP_CHANNEL_BIND_INFO, *PHTTP_CHANNEL_BIND_INFO;

/* Logs. */
typedef struct _HTTP_LOGGING_INFO {
  HTTP_PROPERTY_FLAGS Flags;
  ULONG LoggingFlags;
  PCWSTR SoftwareName;
  USHORT SoftwareNameLength;
  USHORT DirectoryNameLength;
  PCWSTR DirectoryName;
  HTTP_LOGGING_TYPE Format;
  ULONG Fields;
  PVOID pExtFields;
  USHORT NumOfExtFields;
  USHORT MaxRecordSize;
  HTTP_LOGGING_ROLLOVER_TYPE RolloverType;
  ULONG RolloverSize;
  PSECURITY_DESCRIPTOR pSecurityDescriptor;
} HTTP_LOGGING_INFO, *PHTTP_LOGGING_INFO;

/* The base of what is logged with a response; Type says what it is. */
typedef struct _HTTP_LOG_DATA {
  HTTP_LOG_DATA_TYPE Type;
} HTTP_LOG_DATA, *PHTTP_LOG_DATA;

typedef struct _HTTP_LOG_FIELDS_DATA {
  HTTP_LOG_DATA Base;
  USHORT UserNameLength;
  USHORT UriStemLength;
  USHORT ClientIpLength;
  USHORT ServerNameLength;
  USHORT ServiceNameLength;
  USHORT ServerIpLength;
  USHORT MethodLength;
  USHORT UriQueryLength;
  USHORT HostLength;
  USHORT UserAgentLength;
  USHORT CookieLength;
  USHORT ReferrerLength;
  PWCHAR UserName;
  PWCHAR UriStem;
  PCHAR ClientIp;
  PCHAR ServerName;
  PCHAR ServiceName;
  PCHAR ServerIp;
  PCHAR Method;
  PCHAR UriQuery;
  PCHAR Host;
  PCHAR UserAgent;
  PCHAR Cookie;
  PCHAR Referrer;
  USHORT ServerPort;
  USHORT ProtocolStatus;
  ULONG Win32Status;
  HTTP_VERB MethodNum;
  USHORT SubStatus;
} HTTP_LOG_FIELDS_DATA, *PHTTP_LOG_FIELDS_DATA;

#endif
