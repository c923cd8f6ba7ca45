// SPDX-License-Identifier: GPL-3.0-or-later
// Every limit of the driver that is not in the ABI (uapi/abi.h), by name, with its unit and the reason for the number.
#pragma once
#include <cstddef>
#include <cstdint>

namespace httpsys::limits {

// base
// Lines of one kind that clients can cause, and of processes those of one user: so many at once, then one in so much time; that some were
// left out is told after a second.
inline constexpr uint64_t kLogBurst = 100;
inline constexpr uint64_t kLogLineMilliseconds = 100;   // ten a second are some 200 MB a day and kind
inline constexpr uint64_t kLogNoteMilliseconds = 1000;
inline constexpr size_t kLogUsers = 16; // users at a time with lines of their own; whoever comes then has a part of those for all others
inline constexpr size_t kMaxQuotedText = 200; // bytes of a value shown in a message; enough for a name, too little to flood a log

// platform
inline constexpr size_t kMaxStateFileBytes = 1 << 20;  // bytes of one state file; a chain of 256 certificates has about half of it
inline constexpr uint64_t kStateLookMilliseconds = 2000; // between two looks at whether state files were changed from outside
inline constexpr uint32_t kMaxFilesPerLook = 32;        // of those that were, read in one look; the others are in the next
inline constexpr uint32_t kMaxFilesSetAside = 100;      // damaged files kept under one name; beyond, somebody has to look at them
inline constexpr uint32_t kSubmissionEntries = 1024;     // of a core's ring; a full one is submitted early, so it limits nothing
// Of a core's ring; past it the kernel keeps a list and ends multishot operations. Without CAP_IPC_LOCK a ring's memory (200 KiB with these
// numbers) counts against RLIMIT_MEMLOCK, 8 MiB by default.
inline constexpr uint32_t kCompletionEntries = 8192;
inline constexpr uint32_t kReceiveBuffers = 256;         // of a core; each is in use only until its bytes are handled
inline constexpr uint32_t kReceiveBufferBytes = 16384;   // of one buffer: a TLS record, a request with all its header fields
// Of a core, in one turn of its loop, of what the network brings: whatever is left goes on in the next one, when rings, control sockets,
// messages and timers have had their turn. Some 10 us each, more where much has come at once.
inline constexpr uint32_t kCompletionsPerTurn = 1024;
inline constexpr uint32_t kCompletionsPerLook = 4; // between two looks at the clock
// Then such a part of a turn is over; by a clock that counts milliseconds, so it is one to three.
inline constexpr uint64_t kSliceMilliseconds = 2;
inline constexpr int kListenBacklog = 2048;              // connections that wait for accept, of one address; net.core.somaxconn caps it
inline constexpr uint64_t kMappedPieceBytes = 2 << 20;   // of shared memory, taken or mapped or unmapped in one call; under a millisecond
inline constexpr uint32_t kMappedPieceMicroseconds = 20;  // pause between two of these calls, at least
// Threads that make, keep in its place and free channels' memory, for one user at a time: so many users could hold up others.
inline constexpr size_t kMemoryHelpers = 4;
// So many times as long as they have worked do they rest: a core with which they share a processor has two thirds of that.
inline constexpr uint64_t kHelperRests = 2;
inline constexpr size_t kControlDescriptorsMax = 8;      // descriptors in one control message of ours; a channel has four
inline constexpr uint32_t kControlMessagesUnread = 1024;  // of an ended session, dropped; the kernel queues some hundreds at most
inline constexpr uint32_t kControlCloseMilliseconds = 1;  // then a wait that a client's descriptors impose on their close is interrupted
// Threads that close what clients have had, one for a user at a time: so many users hold up only themselves.
inline constexpr size_t kClosers = 64;             // the closing process's; for half as many before Linux 6.16: control sockets wait, too
inline constexpr size_t kClosersOwn = 16;          // the daemon's, which wait for nobody while there is that process
inline constexpr size_t kCloserStackBytes = 65536;
inline constexpr uint32_t kClosingLanes = 16384;         // users, each twice or more often, whose closes wait; those beyond share one
inline constexpr uint64_t kCloseHeldMilliseconds = 200;  // a user whose close takes so long holds it up,
inline constexpr uint64_t kClosesHeldMilliseconds = 1000; // and so does one whose closes have taken so long and are not over yet
inline constexpr int kClosingProcessSeconds = 1;         // that it may take to keep something
// How long it stays after the daemon: the kernel may close some of its files a moment later, and what a ring has after a kill much later.
inline constexpr uint32_t kClosingProcessStaysMilliseconds = 100;
inline constexpr uint32_t kClosingProcessStaysLongMilliseconds = 10'000;
inline constexpr size_t kSocketPathMax = 107;            // bytes of the control socket's path: sockaddr_un without the final NUL

// Private keys in use, all of them; a piece is locked at a time, and no key is larger. A thousand records with RSA keys of 4096 bits
// have 4 MiB; contexts that were replaced live on with their connections.
inline constexpr size_t kKeyMemoryBytes = 16 << 20;
inline constexpr size_t kKeyMemoryPiece = 65536;

// ke
inline constexpr uint64_t kTallyMilliseconds = 60'000;  // between lines of the log with what was counted
inline constexpr uint64_t kOrdinaryTallies = 1000;      // in that time, of what every public server sees: more are worth a line
inline constexpr uint32_t kTalliesSummed = 60;          // such times, an hour: then what was in none of these lines is added up
inline constexpr uint64_t kOrdinaryTalliesSummed = 100; // of that, what every public server sees: more are worth a line
inline constexpr uint32_t kCores = 256;       // core threads: an id has 8 bits for its core
inline constexpr uint32_t kTimersPerTurn = 1024; // of a wheel that fire in one turn, some 10 us each; or until kSliceMilliseconds are over
inline constexpr uint32_t kStopRounds = 1000; // turns of an ending core at most: some tasks send the next
inline constexpr uint64_t kStopMilliseconds = 5000; // for what its engine has left, of which each turn handles some

inline constexpr uint64_t kOutageQuietMilliseconds = 1000; // what has not failed for so long works again, for the log

// net
// Connections that core 0 has accepted and hands to their cores in one turn, its own ones 5 us each, and as many that it closes.
inline constexpr uint32_t kAcceptsAtOnce = 256;
inline constexpr uint64_t kAcceptRetryMilliseconds = 100; // pause after accept failed, for example without descriptors
// Descriptors (RLIMIT_NOFILE) that connections leave to sessions, new ports and state files: a part of all, at least so many that
// administrators and some applications always get in, at most so many that all sessions do.
inline constexpr uint64_t kDescriptorsKeptPart = 4;   // one in so many
inline constexpr uint64_t kDescriptorsKeptLeast = 172; // sixteen sessions, and 43
inline constexpr uint64_t kDescriptorsKeptMost = 8640; // kSessions and kSessionsReserved, and 320
inline constexpr uint64_t kDescriptorsPerSession = 8; // its socket, its process, two halves of its channel with a pipe each, kick, bell
// Of those kept, for what is no session: one in so many. Half of them may be control sockets that wait for their close.
inline constexpr uint64_t kDescriptorsSparePart = 4;
inline constexpr uint64_t kDescriptorsSpareLeast = 32;
inline constexpr uint64_t kDescriptorsSpareMost = 320;
inline constexpr uint64_t kDescriptorsForConnections = 128; // and for ports: with fewer left than these the daemon does not start
inline constexpr uint64_t kConnectionsLeast = 64;           // that memory allows, however small it is
inline constexpr uint64_t kPortsPart = 4; // ports leave connections one in so many of their descriptors, or nobody could connect
inline constexpr uint32_t kPorts = 65535; // that listen; RLIMIT_NOFILE decides how many of them
// Room for who waits while connections have all that they may: idle ones are closed, one at first, twice as many whenever room is wanted
// again within a time, at most so many and one in so many of all; the longest idle first, across cores to this accuracy, and none that has
// been idle for less than a client's first bytes may take.
inline constexpr uint32_t kIdleClosedPerTurn = 32;
inline constexpr uint64_t kIdleClosedPart = 8;
inline constexpr uint64_t kRoomAgainMilliseconds = 100;
inline constexpr uint64_t kIdleOrderMilliseconds = 1000;
inline constexpr uint64_t kIdleLeastMilliseconds = 10;
inline constexpr uint64_t kIdleLongMilliseconds = 30'000; // so long idle, one is closed when accept finds no descriptor, too

// io
inline constexpr uint64_t kHelloMilliseconds = 5000;         // a connection of the control socket that says no HELLO by then is closed
inline constexpr uint32_t kSessions = 1024;                  // connected at a time, if RLIMIT_NOFILE allows
inline constexpr uint32_t kSessionsReserved = 16;            // beyond kSessions, for uid 0 and the daemon's own: httpsysctl always gets in
inline constexpr uint32_t kControlMessagesPerTurn = 1;       // of one session, 20 us each; then the others have their turn
inline constexpr size_t kControlsClosing = 160;              // sockets that wait for their close: half of kDescriptorsSpareMost, or fewer
inline constexpr size_t kClosesHeldPerUser = 48; // then a user who holds up closes gets no session; each that ends leaves two or three
inline constexpr uint64_t kClosesLookMilliseconds = 100; // between two looks at who holds up closes
inline constexpr uint64_t kControlsClosingMilliseconds = 3;   // then it is looked at again; most closes take microseconds
inline constexpr uint32_t kHandlesCeiling = 4096;            // request queue handles of one session, whatever HandlesPerProcess says
inline constexpr uint32_t kEntriesPerTurn = 64;              // submission entries of one channel in one turn of the loop
// Of one channel, for names and ports, with core 0 at a time, and taken in one turn: some 10 us each, or parsing of 32 KiB.
inline constexpr uint32_t kOperationsWithCore0 = 64, kOperationsForCore0PerTurn = 8;
inline constexpr uint32_t kReturnsPerTurn = 1024;            // block numbers taken back from one channel in one turn of the loop
inline constexpr size_t kResultBytesPerTurn = 1 << 20;       // of results that waited for blocks, copied in one turn; 0.2 ms
inline constexpr uint32_t kEmptyPollsUntilCold = 8;          // polls without work after which a channel waits for its kick
inline constexpr uint64_t kCreditVisitMilliseconds = 10;     // an entry without completion credit: nothing tells when the client reaps
inline constexpr uint64_t kRingNanoseconds = 100'000;          // of a core, for one ring of a bell; a usual one takes some thousand
inline constexpr uint64_t kSlowRingNanoseconds = 50'000'000;   // of a core in a second, by a user's longer ones; then a client is cut off
// Kicks of a client that the daemon has asked for and that have not come; wake words that were armed and disarmed again must not save up.
inline constexpr uint32_t kAskedKicks = 64;
inline constexpr uint32_t kUnaskedKicksPerSecond = 1000;     // above it the kick is no longer listened to ...
inline constexpr uint64_t kKickPenaltyMilliseconds = 1000;   // ... for so long
inline constexpr uint64_t kKickVisitMilliseconds = 10;       // and the channel is visited so often instead
// Of a channel in one turn: operations that it cancels, some 300 ns each, and, when it ends, handles that it closes, some microseconds.
inline constexpr uint32_t kOperationsEndedPerTurn = 512;
inline constexpr uint32_t kHandlesEndedPerTurn = 128;
inline constexpr uint64_t kRundownWarningMilliseconds = 10000; // an ended session whose operations have not come back by then is logged

// se
inline constexpr uint16_t kFirstUnprivilegedPort = 1024;

// ns
inline constexpr uint32_t kServerSessions = 4096;     // of all processes together
inline constexpr uint32_t kUrlGroups = 16384;         // of all processes together
inline constexpr uint32_t kUrls = 16384;              // registrations
// Of long works, in one turn of core 0: a URL or a group that ends, a route that changes, a part of an old tree that is freed, an operation
// that completes; some 100 to 1000 ns each. A port that closes, with its four sockets, is so many of them.
inline constexpr uint32_t kNamespaceStepsPerTurn = 256;
inline constexpr uint32_t kStepsOfPort = 32;
inline constexpr uint32_t kNamespaceChangesPerTurn = 64; // of those that waited for others; each may be parsing of 32 KiB
inline constexpr uint32_t kNearestUrlsLogged = 4;     // registrations named in the log line of a request that found none

// Of what there is of all, where that is not a number here (RLIMIT_NOFILE, a total of httpsys.toml): one in so many is the most that one
// uid, and one process, may have, whatever [clients] says.
inline constexpr uint64_t kUserPart = 2;
inline constexpr uint64_t kProcessPart = 4;
// Beyond all that there may be of a resource, one in so many, and so many at least, are for administrators, so that they can repair what
// users have filled.
inline constexpr uint64_t kReservePart = 64;
inline constexpr uint64_t kReserveLeast = 4;
static_assert(kSessions / kReservePart == kSessionsReserved);

// What the processes of one uid together and one process may have, unless [clients] says otherwise (kernel/se/quota.h).
inline constexpr uint32_t kSessionsPerUser = 256;             // of kSessions; each has one channel at most, so of channels too
inline constexpr uint32_t kSessionsPerProcess = 64;           // libhttpapi needs one
inline constexpr uint64_t kChannelBytesPerUser = 1ull << 30;  // shared memory of channels: it is charged to the daemon
inline constexpr uint64_t kChannelBytesPerProcess = 1ull << 30; // the largest channel has 516 MiB
inline constexpr uint32_t kOperationsPerUser = 1 << 22;       // entries of completion rings: as many operations are in progress at most
inline constexpr uint32_t kOperationsPerProcess = 1 << 17;    // the largest completion ring twice
inline constexpr uint32_t kHandlesPerUser = 65536;            // of request queues
inline constexpr uint32_t kHandlesPerProcess = 1024;
// Half of all, but for ports: no user takes all from the others; and half of that: no process takes all from its user's others.
inline constexpr uint32_t kServerSessionsPerUser = 2048, kServerSessionsPerProcess = 1024;
inline constexpr uint32_t kUrlGroupsPerUser = 8192, kUrlGroupsPerProcess = 4096;
inline constexpr uint32_t kUrlsPerUser = 8192, kUrlsPerProcess = 4096;
inline constexpr uint32_t kRequestQueuesPerUser = 2048, kRequestQueuesPerProcess = 1024;
inline constexpr uint32_t kPortsPerUser = 8192, kPortsPerProcess = 4096;
inline constexpr uint64_t kRequestsPerUserPart = 2; // one in so many of the connections that there may be; default of RequestsPerUser
// Results that wait for a block. They are the daemon's memory: a client that hands nothing back, or has stopped with so much on its way, is
// cut off, and requests that it has not received go to other workers.
inline constexpr uint64_t kWaitingOutputBytesPerUser = 512ull << 20;
inline constexpr uint64_t kWaitingOutputBytesPerProcess = 128ull << 20;
inline constexpr uint64_t kDefaultChannelBytes = 8 << 20; // left to a channel at least; one of libhttpapi counts 7.1 MiB
inline constexpr uint64_t kClientBytesCeiling = 1ull << 40; // of [clients] where it counts bytes; beyond any machine's memory

// main
inline constexpr uint64_t kDrainCheckMilliseconds = 20; // between two looks at whether requests are left
inline constexpr size_t kLogLinesWaiting = 10000;       // lines while nobody reads stderr; some MB, a quarter of an hour of a quiet machine
inline constexpr uint32_t kLogEndMilliseconds = 1000;   // for the last lines at the daemon's end

// http
inline constexpr size_t kBodyChunkBytes = 16384;             // pieces of a request body up to this size are joined
inline constexpr size_t kBodyWindowBytes = 262144;           // undelivered body bytes of a request; beyond it the socket is not read
inline constexpr size_t kPipelinedBytes = 65536;             // bytes behind the current request; beyond it the socket is not read
inline constexpr size_t kOutputBacklogBytes = 262144;        // bytes waiting for the socket; beyond it sends wait
// The last three while connections keep more than ConnectionBufferBytesTotal.
inline constexpr size_t kShortBodyBytes = 65536;             // what one read of the application takes
inline constexpr size_t kShortPipelinedBytes = 4096;
inline constexpr size_t kShortOutputBytes = 16384;
inline constexpr size_t kWritePieceBytes = 16384;            // of a response body at a time: one TLS record
inline constexpr uint64_t kLingerMilliseconds = 2000;        // read-and-drop time of a closing connection
inline constexpr uint64_t kRoomMilliseconds = 20;            // for close_notify where one makes room for another: its place is wanted
inline constexpr size_t kLingerBytes = 65536;                // read-and-drop bytes of a closing connection
inline constexpr size_t kSendSliceBytes = 65536;             // given to the socket at a time
inline constexpr uint64_t kSendMilliseconds = 120'000;       // for one slice to be taken: 546 bytes/s, of HTTP.sys' MinSendRate's order
inline constexpr size_t kIdleBufferBytes = 4096;             // a connection gives larger buffers up when they are empty
inline constexpr size_t kSpareBufferBytes = 2u << 20;        // of a core, of such buffers, for the next that needs one
inline constexpr size_t kCertificateCallsWaiting = 1024;     // on one connection; all are answered at once, each with 32 KiB or more
inline constexpr uint32_t kConnectionsPerCore = 262144;      // below ob::IdTable's 2^20 slots
// Of a connection: sessions that had requests of it last and are told of its end; older ones that it is not theirs any more. More than a
// program has workers that take turns on one connection, and 256 bytes.
inline constexpr size_t kChannelsOfConnection = 16;

// Steps of TLS handshakes that have begun and of questions for certificates, and as many of new ones, of a core in one turn: until
// kSliceMilliseconds are over for each of the two, for one takes 0.1 ms to 6 ms by the kind and size of the key, or almost nothing when
// only a part of a record has come.
inline constexpr uint32_t kHandshakeStepsPerTurn = 1024;
// Of the time for a handshake. When the oldest hello has waited for longer, the newest goes first, which has time left for the rest.
inline constexpr uint64_t kHelloPatiencePart = 4;

// queue
inline constexpr uint32_t kRequestQueues = 4096;      // of all processes together
inline constexpr uint32_t kRequestQueueLength = 1000; // requests that wait in one queue (HttpServerQueueLengthProperty's default)
// Of a core whose sessions end or close queues or whose queues have gone, in a turn: requests that go back, end or are refused, connections
// that are forgotten; some microseconds each, or until kSliceMilliseconds are over.
inline constexpr uint32_t kRequestsReturnedPerTurn = 512;
inline constexpr uint32_t kReturnsPerLook = 16; // between two looks at the clock
inline constexpr size_t kRequestsEndedPerTurn = 32;   // of a core, whose worker or queue has gone: each resets a connection or sends a page
// Of a session: responses that are complete and that it has not ended; the sends that end older ones fail. Some 100 bytes each.
inline constexpr size_t kAnsweredRequests = 1024;
// Of a connection in a session: queues through which requests of it came last, and which may name it. Who has received of it through so
// many others since is no more told of its end than of one that has ended. More than an application has for one client, and 128 bytes.
inline constexpr size_t kQueuesOfConnection = 16;

// tls
// bytes; a client's certificate list as sent, default of MaxClientCertificateBytes
inline constexpr uint32_t kMaxClientCertificateBytes = 32768;
inline constexpr size_t kMaxClientChain = 9;         // certificates of a client's list; wolfSSL's MAX_CHAIN_DEPTH
inline constexpr size_t kMaxPathSteps = 64;          // steps of the search for a path in it; one that is not hostile needs under 20
inline constexpr int64_t kTicketKeySeconds = 43200;   // then tickets are sealed with a new key, and opened with the old one for as long
inline constexpr uint32_t kMinRsaKeyBits = 2048;     // bits; weaker keys of servers are refused, of clients not trusted (SP 800-57)
inline constexpr uint32_t kMinEcKeyBits = 256;       // bits; the same for elliptic curves
inline constexpr size_t kMaxNameText = 1024;         // bytes; a certificate's name in API structures and logs, longer is cut
inline constexpr size_t kMaxHandshakeMessage = 131400;        // bytes; wolfSSL's MAX_HANDSHAKE_SZ, the largest ClientHello possible
inline constexpr size_t kMaxEarlyDataDropped = 65536;         // bytes of records; RFC 8446 4.2.10 wants a limit, browsers send 16 KiB
inline constexpr uint32_t kMaxRenegotiationWarnings = 3;      // a client that asks for a renegotiation once more is cut off
inline constexpr size_t kTlsInputBytes = 65536;               // bytes; the socket is not read while so much ciphertext waits
inline constexpr size_t kTlsOutputBytes = 262144;             // bytes; nothing is encrypted while so much waits for the socket
inline constexpr size_t kTlsReplyBytes = 16384;               // bytes of TLS' own replies that the socket has not taken: 600 KeyUpdates
inline constexpr uint64_t kTlsLingerMilliseconds = 1000;       // after an alert: time for the peer to read it before the socket closes
inline constexpr uint32_t kMaxPemCertificates = 256; // blocks of one PEM text; a system's whole CA bundle has about 150

// cm
inline constexpr size_t kMaxStoredEntries = 1024;   // certificates, CAs, revocation lists, records each; every context loads all CAs
inline constexpr size_t kMaxCertificatesNamed = 8;  // certificates that a refusal lists
inline constexpr size_t kMaxBindingsNamed = 8;      // bindings of a certificate whose file is lost that the log lists
inline constexpr size_t kMaxHostLabel = 63;    // bytes between two dots of a name (RFC 1035 2.3.4)
inline constexpr size_t kMaxBindingHost = 249; // bytes of a record's name: with ":65535" it is the name of a file

// What the configuration file may ask for at most. Together they decide whether the largest request still fits one block
// of a channel: kernel/base/config.h asserts it.
inline constexpr uint32_t kRequestLineCeiling = 32768;             // bytes; a cooked URL counts its UTF-16 bytes in 16 bits
inline constexpr uint32_t kRequestBytesCeiling = 65536;            // bytes
inline constexpr uint32_t kFieldLengthCeiling = 65534;             // bytes; HTTP.sys' own, HTTP_KNOWN_HEADER has 16 bits
inline constexpr uint32_t kHeaderCountCeiling = 1000;              // lines
inline constexpr uint32_t kUrlSegmentLengthCeiling = 32766;        // UTF-16 units; HTTP.sys' own
inline constexpr uint32_t kUrlSegmentCountCeiling = 16383;         // segments; HTTP.sys' own
inline constexpr uint32_t kClientCertificateCeiling = 65536;       // bytes; wolfSSL's handshake messages end at 131400
inline constexpr uint64_t kCertificateWaitBodyCeiling = 1ull << 40; // bytes; beyond any machine's memory
inline constexpr uint64_t kEntityBodyBytesCeiling = 1ull << 30;
inline constexpr uint32_t kTimeoutSecondsCeiling = 65535;          // seconds; netsh's own

// Defaults of the configuration file, like the limits above that name one.
inline constexpr uint64_t kCertificateWaitBodyBytes = 16777216;       // bytes of one connection kept while a certificate is awaited
inline constexpr uint64_t kCertificateWaitBodyBytesTotal = 134217728; // bytes of all connections together
inline constexpr uint64_t kConnectionBufferBytesTotal = 268435456;    // bytes of all connections that wait for socket or application
inline constexpr uint64_t kConnectionBufferLeast = 1048576;           // bytes of each core's connections, a few of them; whatever is set
inline constexpr uint64_t kMemoryPart = 8; // one in so many of the memory's bytes, for the last two and others of their kind
// What a connection may cost when ConnectionBufferBytesTotal is used up: 160 KiB of heap (TLS, a head, 64 KiB of body, malloc's rounding),
// the kernel's buffers of its socket, and with as much again whatever else there is beside connections.
inline constexpr uint64_t kMemoryPerConnection = 1048576; // bytes of the process's memory for each; default of MaxConnections
inline constexpr uint64_t kMaxConnectionsCeiling = 1 << 30;
// Bytes that a multishot receive may bring before anybody can stop it: some kernels take 32 buffers at a time and some all there are, and
// what is left for the next turns has been taken, too.
inline constexpr uint64_t kMultishotBytes = uint64_t{kReceiveBuffers} * kReceiveBufferBytes;
inline constexpr uint32_t kHandshakeSeconds = 30;                     // a TLS handshake must be finished
inline constexpr uint32_t kIdleConnectionSeconds = 120;               // between two requests; HTTP.sys' default as the next ones are
inline constexpr uint32_t kHeaderWaitSeconds = 120;                   // first to last byte of a head
inline constexpr uint32_t kEntityBodySeconds = 120;                   // between two pieces of a body
inline constexpr uint64_t kEntityBodyBytes = 1;                       // of body and framing, that begin it anew; as with HTTP.sys
inline constexpr uint32_t kDrainEntityBodySeconds = 120;              // for the rest of a body that nobody wants
inline constexpr uint32_t kSslRenegotiationSeconds = 120;             // for a certificate that was asked for
inline constexpr uint32_t kShutdownSeconds = 10;                      // for requests in progress after SIGTERM

// main
inline constexpr size_t kMaxConfigurationBytes = 1 << 20; // bytes of httpsys.toml; thirty times of what it can say

// url
inline constexpr uint32_t kUrlSegmentMaxLength = 260; // UTF-16 units of a path segment; HTTP.sys' default
inline constexpr uint32_t kUrlSegmentMaxCount = 255;  // path segments; HTTP.sys' default
inline constexpr uint32_t kHostNameMaxLength = 255;   // bytes of a host name; DNS allows 253, RFC 3986 3.2.2 says 255
inline constexpr uint32_t kUrlPrefixMaxLength = 4096; // UTF-16 units of a URL prefix; so that a key stays small, no program comes near
inline constexpr uint32_t kCookedUrlMaxLength = 32767; // UTF-16 units; HTTP_COOKED_URL counts bytes in 16 bits

// http1
inline constexpr uint32_t kMaxRequestLine = 16384;        // bytes with the line's end; default of MaxRequestLine
inline constexpr uint32_t kMaxRequestBytes = 16384;       // bytes of all header lines with their ends; default of MaxRequestBytes
inline constexpr uint32_t kMaxFieldLength = 16384;        // bytes of one header field with its line's end; default of MaxFieldLength
inline constexpr uint32_t kMaxHeaderCount = 1000;         // header lines; default of MaxHeaderCount, so that a head fits one block
inline constexpr uint32_t kMaxMergedFieldLength = 65535;  // bytes of a value joined from several lines; HTTP_KNOWN_HEADER has 16 bits
inline constexpr uint32_t kMaxVerbLength = 255;           // bytes of a request method; the longest registered one has 17
inline constexpr uint32_t kMaxLeadingBlankLines = 8;      // empty lines before a request line that old clients may leave
inline constexpr uint32_t kMaxChunkExtensionLength = 1024; // bytes of one chunk's extensions; no client of today sends any
inline constexpr uint32_t kMaxChunkExtensionBytes = 16384; // bytes of all extensions of one body, so that they cannot outweigh it

}

// httpsys.toml sets what a user and a process may have (kNAMEPerUser and kNAMEPerProcess are NAMEPerUser, NAMEPerProcess of [clients],
// but for kClosesHeldPerUser) and what is below as a default of it. All else is constant: work in one turn, times of the daemon's own,
// what there may be of all clients together, and ceilings, which hold whatever is set. Who is refused for one reads its number and its
// name.
