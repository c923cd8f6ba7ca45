/* SPDX-License-Identifier: MIT */
/* Windows' basic types and macros on Linux: integers of Windows' widths (LONG, ULONG and DWORD have 32 bits), 16-bit WCHAR, handles,
 * decorations that mean nothing here. Layouts equal Windows x86_64: tests/abi checks every one. C90 and later, C++11 and later.
 *
 * WCHAR has 16 bits always, as every function takes UTF-16. With -fshort-wchar it is wchar_t, so that L"..." fits; without, which is
 * the usual case, it is char16_t and literals are written u"...". HTTPSYS_TEXT("...") and TEXT("...") are right in both. */
#ifndef HTTPSYS_WINDEF_H
#define HTTPSYS_WINDEF_H

#include <stddef.h>
#include <stdint.h>
#ifndef __cplusplus
#include <uchar.h>
#endif
#include "sal.h"

/* Which Windows the caller is written for; it decides whether HTTP_REQUEST means the second version of the structure. */
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif
#ifndef WINVER
#define WINVER _WIN32_WINNT
#endif

/* Calling conventions and decorations. */
#define WINAPI
#define APIENTRY
#define CALLBACK
#define WINAPIV
#define NTAPI
#ifndef _MSC_VER
#ifndef __stdcall
#define __stdcall
#endif
#ifndef __cdecl
#define __cdecl
#endif
#ifndef __fastcall
#define __fastcall
#endif
#endif
#ifndef CONST
#define CONST const
#endif
#ifndef VOID
#define VOID void
#endif
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif
#define DECLSPEC_IMPORT
#define DECLSPEC_EXPORT
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_ALIGN(bytes) __attribute__((aligned(bytes)))
#define UNALIGNED
#ifndef FORCEINLINE
#define FORCEINLINE static inline __attribute__((always_inline))
#endif
#ifdef __cplusplus
#define EXTERN_C extern "C"
#else
#define EXTERN_C extern
#endif
/* What libhttpapi exports. */
#define HTTPSYS_API __attribute__((visibility("default")))
#define WINBASEAPI HTTPSYS_API

/* Nameless members are C11; __extension__ keeps older dialects and C++ quiet about them. A source that defines NONAMELESSUNION gets
 * them under the names that it expects. */
#define HTTPSYS_NAMELESS __extension__
#ifdef NONAMELESSUNION
#define DUMMYUNIONNAME u
#define DUMMYSTRUCTNAME s
#else
#define DUMMYUNIONNAME
#ifdef NONAMELESSSTRUCT
#define DUMMYSTRUCTNAME s
#else
#define DUMMYSTRUCTNAME
#endif
#endif

#ifdef __cplusplus
#define HTTPSYS_STATIC_ASSERT(condition) static_assert(condition, #condition)
#else
#define HTTPSYS_STATIC_ASSERT(condition) __extension__ _Static_assert(condition, #condition)
#endif

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

/* Integers. 64-bit ones are long long, so that %llu fits as on Windows; those as wide as a pointer are what size_t is. */
typedef char CHAR;
typedef signed char INT8;
typedef unsigned char UCHAR, BYTE, BOOLEAN, UINT8;
typedef int16_t SHORT, INT16;
typedef uint16_t USHORT, WORD, UINT16;
typedef int32_t INT, LONG, BOOL, INT32, LONG32, HRESULT, NTSTATUS;
typedef uint32_t UINT, ULONG, DWORD, UINT32, ULONG32, DWORD32, ACCESS_MASK;
__extension__ typedef long long LONGLONG, INT64, LONG64;
__extension__ typedef unsigned long long ULONGLONG, UINT64, ULONG64, DWORD64, DWORDLONG;
typedef intptr_t INT_PTR, LONG_PTR, SSIZE_T;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR;
typedef size_t SIZE_T;
typedef float FLOAT;

typedef CHAR *PCHAR;
typedef UCHAR *PUCHAR;
typedef BYTE *PBYTE, *LPBYTE;
typedef BOOLEAN *PBOOLEAN;
typedef SHORT *PSHORT;
typedef USHORT *PUSHORT;
typedef WORD *PWORD, *LPWORD;
typedef INT *PINT, *LPINT;
typedef UINT *PUINT, *LPUINT;
typedef LONG *PLONG, *LPLONG;
typedef ULONG *PULONG, *LPULONG;
typedef DWORD *PDWORD, *LPDWORD;
typedef BOOL *PBOOL, *LPBOOL;
typedef LONGLONG *PLONGLONG;
typedef ULONGLONG *PULONGLONG;
typedef DWORD64 *PDWORD64;
typedef INT_PTR *PINT_PTR;
typedef UINT_PTR *PUINT_PTR;
typedef LONG_PTR *PLONG_PTR;
typedef ULONG_PTR *PULONG_PTR;
typedef DWORD_PTR *PDWORD_PTR;
typedef SIZE_T *PSIZE_T;
typedef SSIZE_T *PSSIZE_T;
typedef NTSTATUS *PNTSTATUS;
typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID, *PCVOID;

/* Strings. */
#if __SIZEOF_WCHAR_T__ == 2
typedef wchar_t WCHAR;
#define HTTPSYS_TEXT_OF(literal) L##literal
#else
typedef char16_t WCHAR;
#define HTTPSYS_TEXT_OF(literal) u##literal
#endif
/* A UTF-16 literal in either mode. */
#define HTTPSYS_TEXT(literal) HTTPSYS_TEXT_OF(literal)
HTTPSYS_STATIC_ASSERT(sizeof(WCHAR) == 2);

typedef CHAR *PSTR, *LPSTR, *LPCH, *PCH;
typedef const CHAR *PCSTR, *LPCSTR, *LPCCH, *PCCH;
typedef WCHAR *PWCHAR, *PWSTR, *LPWSTR, *LPWCH, *PWCH;
typedef const WCHAR *PCWSTR, *LPCWSTR, *LPCWCH, *PCWCH;

/* TCHAR is wide, UNICODE defined or not: the HTTP Server API knows no narrow strings. */
typedef WCHAR TCHAR;
typedef WCHAR *PTCHAR, *PTSTR, *LPTSTR;
typedef const WCHAR *PCTSTR, *LPCTSTR;
#define TEXT(literal) HTTPSYS_TEXT(literal)

/* Handles. */
typedef void *HANDLE;
typedef HANDLE *PHANDLE, *LPHANDLE;
typedef HANDLE HMODULE, HINSTANCE;
typedef PVOID PSECURITY_DESCRIPTOR;

typedef union _LARGE_INTEGER {
  HTTPSYS_NAMELESS struct {
    DWORD LowPart;
    LONG HighPart;
  } DUMMYSTRUCTNAME;
  struct {
    DWORD LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
  HTTPSYS_NAMELESS struct {
    DWORD LowPart;
    DWORD HighPart;
  } DUMMYSTRUCTNAME;
  struct {
    DWORD LowPart;
    DWORD HighPart;
  } u;
  ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _GUID {
  ULONG Data1;
  USHORT Data2;
  USHORT Data3;
  UCHAR Data4[8];
} GUID, *LPGUID, *PGUID;

/* Small macros. */
#ifndef MAX_PATH
#define MAX_PATH 260
#endif
#ifndef ANYSIZE_ARRAY
#define ANYSIZE_ARRAY 1
#endif
#define MAKEWORD(low, high) ((WORD)(((BYTE)(((DWORD_PTR)(low)) & 0xff)) | ((WORD)((BYTE)(((DWORD_PTR)(high)) & 0xff))) << 8))
#define MAKELONG(low, high) ((LONG)(((WORD)(((DWORD_PTR)(low)) & 0xffff)) | ((DWORD)((WORD)(((DWORD_PTR)(high)) & 0xffff))) << 16))
#define LOWORD(value) ((WORD)(((DWORD_PTR)(value)) & 0xffff))
#define HIWORD(value) ((WORD)((((DWORD_PTR)(value)) >> 16) & 0xffff))
#define LOBYTE(value) ((BYTE)(((DWORD_PTR)(value)) & 0xff))
#define HIBYTE(value) ((BYTE)((((DWORD_PTR)(value)) >> 8) & 0xff))
#ifndef RTL_NUMBER_OF
#define RTL_NUMBER_OF(array) (sizeof(array) / sizeof((array)[0]))
#endif
#ifndef ARRAYSIZE
#define ARRAYSIZE(array) RTL_NUMBER_OF(array)
#endif
#ifndef _countof
#define _countof(array) RTL_NUMBER_OF(array)
#endif
#ifndef UNREFERENCED_PARAMETER
#define UNREFERENCED_PARAMETER(name) ((void)(name))
#endif
#if !defined(NOMINMAX) && !defined(__cplusplus)
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#endif

#endif
