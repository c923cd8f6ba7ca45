// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/errno_map.h"
#include <cerrno>
#include <doctest/doctest.h>

using namespace httpsys;
using namespace httpsys::platform;

TEST_CASE("errno becomes the status that the layers above ask for")
{
  struct Row {
    int error;
    NtStatus status;
  };
  static constexpr Row rows[] = {
    {0, NtStatus::Success},
    {ECANCELED, NtStatus::Cancelled},
    {ENOBUFS, NtStatus::InsufficientResources}, // IoEngine::receive_multishot
    {EAGAIN, NtStatus::InsufficientResources},  // System::send_control
    {ECONNRESET, NtStatus::ConnectionAborted},
    {EPIPE, NtStatus::ConnectionAborted},
    {ETIMEDOUT, NtStatus::ConnectionAborted},
    {EADDRINUSE, NtStatus::SharingViolation},        // System::listen_tcp
    {EACCES, NtStatus::AccessDenied},                // System::listen_tcp
    {EADDRNOTAVAIL, NtStatus::InvalidAddressComponent},  // System::listen_tcp
    {EAFNOSUPPORT, NtStatus::InvalidAddressComponent},   // System::listen_tcp without IPv6
    {EMFILE, NtStatus::TooManyOpenedFiles},
    {ENFILE, NtStatus::TooManyOpenedFiles},
    {ENOMEM, NtStatus::NoMemory},
    {ENOSPC, NtStatus::DiskFull},
    {EFBIG, NtStatus::DiskFull},
    {EFAULT, NtStatus::InvalidParameter},
    {ENOSYS, NtStatus::NotSupported},
    {99999, NtStatus::IoDeviceError},
  };
  for (auto [error, status] : rows) {
    CAPTURE(error);
    CHECK(status_from_errno(error) == status);
  }
}
