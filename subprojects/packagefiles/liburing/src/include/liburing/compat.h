/* SPDX-License-Identifier: MIT */
// Stands in for the compat.h that liburing's configure script writes. Glibc and kernel headers of Debian 12 (6.1) or later.
#ifndef HTTPSYS_LIBURING_COMPAT_H
#define HTTPSYS_LIBURING_COMPAT_H
#include <linux/ioctl.h>
#include <linux/openat2.h>
#include <linux/time_types.h>
#if __has_include(<linux/blkdev.h>)   // newer kernel headers
#include <linux/blkdev.h>
#endif
#ifndef BLOCK_URING_CMD_DISCARD
#define BLOCK_URING_CMD_DISCARD _IO(0x12, 0)
#endif
#endif
