/* SPDX-License-Identifier: MIT */
/* Status values that cross the ring: NTSTATUS numbers, as in OVERLAPPED.Internal. The driver knows no other error currency; the
 * library translates them to Win32 codes (lib/status_map). Source: [MS-ERREF] 2.3.1. */
#ifndef HTTPSYS_UAPI_STATUS_H
#define HTTPSYS_UAPI_STATUS_H

/* name in C, name in C++ (NtStatus::X), NTSTATUS, Win32 code that the library reports for it */
#define HSYS_STATUS_TABLE(X)                                                   \
  X(SUCCESS, Success, 0x00000000u, 0)                                          \
  X(PENDING, Pending, 0x00000103u, 997)                                        \
  X(BUFFER_OVERFLOW, BufferOverflow, 0x80000005u, 234)                         \
  X(NOT_IMPLEMENTED, NotImplemented, 0xC0000002u, 1)                           \
  X(INVALID_HANDLE, InvalidHandle, 0xC0000008u, 6)                             \
  X(INVALID_PARAMETER, InvalidParameter, 0xC000000Du, 87)                      \
  X(INVALID_DEVICE_REQUEST, InvalidDeviceRequest, 0xC0000010u, 1)              \
  X(END_OF_FILE, EndOfFile, 0xC0000011u, 38)                                   \
  X(NO_MEMORY, NoMemory, 0xC0000017u, 8)                                       \
  X(ACCESS_DENIED, AccessDenied, 0xC0000022u, 5)                               \
  X(BUFFER_TOO_SMALL, BufferTooSmall, 0xC0000023u, 122)                        \
  X(OBJECT_NAME_INVALID, ObjectNameInvalid, 0xC0000033u, 123)                  \
  X(OBJECT_NAME_NOT_FOUND, ObjectNameNotFound, 0xC0000034u, 2)                 \
  X(OBJECT_NAME_COLLISION, ObjectNameCollision, 0xC0000035u, 183)              \
  X(OBJECT_PATH_NOT_FOUND, ObjectPathNotFound, 0xC000003Au, 3)                 \
  X(SHARING_VIOLATION, SharingViolation, 0xC0000043u, 32)                      \
  X(DELETE_PENDING, DeletePending, 0xC0000056u, 5)                             \
  X(REVISION_MISMATCH, RevisionMismatch, 0xC0000059u, 1306)                    \
  X(INVALID_ID_AUTHORITY, InvalidIdAuthority, 0xC0000084u, 1343)               \
  X(INSUFFICIENT_RESOURCES, InsufficientResources, 0xC000009Au, 1450)          \
  X(NOT_SUPPORTED, NotSupported, 0xC00000BBu, 50)                              \
  X(CANCELLED, Cancelled, 0xC0000120u, 995)                                    \
  X(INVALID_DEVICE_STATE, InvalidDeviceState, 0xC0000184u, 22)                 \
  X(TOO_MANY_OPENED_FILES, TooManyOpenedFiles, 0xC000011Fu, 4)                 \
  X(IO_DEVICE_ERROR, IoDeviceError, 0xC0000185u, 1117)                         \
  X(NOT_FOUND, NotFound, 0xC0000225u, 1168)                                    \
  X(CONNECTION_INVALID, ConnectionInvalid, 0xC000023Au, 1229)                  \
  X(CONNECTION_ABORTED, ConnectionAborted, 0xC0000241u, 1236)                  \
  X(INVALID_ADDRESS_COMPONENT, InvalidAddressComponent, 0xC0000207u, 1214)     \
  X(DISK_FULL, DiskFull, 0xC000007Fu, 112)

enum hsys_status {
#define HSYS_STATUS_ENUM(name, cxx, value, win32) HSYS_STATUS_##name = (int)(value),
  HSYS_STATUS_TABLE(HSYS_STATUS_ENUM)
#undef HSYS_STATUS_ENUM
};

#endif
