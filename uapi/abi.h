/* SPDX-License-Identifier: MIT */
/* Ring ABI 1.0 of httpsys: version, magic numbers, features and limits. Little-endian, LP64. Every structure of uapi/ has fixed-width,
 * naturally aligned members; members named reservedN must be zero on input and are checked. */
#ifndef HTTPSYS_UAPI_ABI_H
#define HTTPSYS_UAPI_ABI_H

#include <stdint.h>

#ifdef __cplusplus
#define HSYS_ASSERT(condition) static_assert(condition, #condition)
#else
#define HSYS_ASSERT(condition) _Static_assert(condition, #condition)
#endif
#define HSYS_ASSERT_OFFSET(type, member, offset) HSYS_ASSERT(__builtin_offsetof(struct type, member) == (offset))
#define HSYS_ASSERT_SIZE(type, bytes) HSYS_ASSERT(sizeof(struct type) == (bytes))

#define HSYS_ABI_MAJOR 1u
#define HSYS_ABI_MINOR 0u
#define HSYS_CHANNEL_MAGIC 0x316c6e6863737968ull /* "hyscxnl1" */
#define HSYS_CONTROL_MAGIC 0x6c746373u

/* Feature bits of WELCOME and of the geometry: none is defined in 1.0. */
#define HSYS_FEATURES 0ull

/* Counts and bytes of a channel: what the daemon gives when CHANNEL_OPEN asks for 0, and what it caps at. Ring sizes are powers of two. */
#define HSYS_SQ_ENTRIES_DEFAULT 256u
#define HSYS_SQ_ENTRIES_MAX 4096u
#define HSYS_CQ_ENTRIES_DEFAULT 16384u
#define HSYS_CQ_ENTRIES_MAX 65536u
#define HSYS_CQ_ENTRIES_MIN 256u
#define HSYS_ARENA_BYTES_DEFAULT 0x200000u
#define HSYS_ARENA_BYTES_MIN 0x100000u
#define HSYS_ARENA_BYTES_MAX 0x10000000u

/* The last completion slots, which only CANCEL, CLOSE_HANDLE and the SEND operations may reserve, on both sides: parked
 * receives and disconnect waits can never lock a program out. */
#define HSYS_CQ_RESERVE 64u

/* Blocks of the receive arena: a block's number is its first granule's. */
#define HSYS_BLOCK_MIN 2048u
#define HSYS_BLOCK_MAX 262144u

/* A parameter block is copied whole before it is looked at, hence the bound. */
#define HSYS_PARAMETERS_MAX 65536u
/* Bytes that one RECEIVE_BODY returns at most. */
#define HSYS_BODY_READ_MAX 65536u
/* Extents of one SEND operation; the library joins small chunks. */
#define HSYS_EXTENTS_MAX 256u
/* Bytes of the extents of one SEND operation; the library splits a longer body. */
#define HSYS_SEND_BYTES_MAX 0x100000u
/* Bytes of a reason text (UTF-8, without NUL) that a failed completion carries. */
#define HSYS_REASON_MAX 1024u

#define HSYS_NULL_ID 0ull

#endif
