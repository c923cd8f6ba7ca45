// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/platform/linux/errno_map.h"
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace httpsys::platform {

NtStatus status_from_errno(int error)
{
  switch (error) {
  case 0:
    return NtStatus::Success;
  case ECANCELED:
    return NtStatus::Cancelled;
  case ENOMEM:
    return NtStatus::NoMemory;
  case EMFILE:
  case ENFILE:
    return NtStatus::TooManyOpenedFiles;
  case ENOBUFS: // a receive without provided buffers
  case EAGAIN:
  case EBUSY:
  case ETOOMANYREFS: // descriptors in flight
    return NtStatus::InsufficientResources;
  case ECONNRESET:
  case ECONNABORTED:
  case EPIPE:
  case ETIMEDOUT: // retransmissions were not answered
  case EHOSTUNREACH:
  case EHOSTDOWN:
  case ENETUNREACH:
  case ENETDOWN:
  case ENETRESET:
    return NtStatus::ConnectionAborted;
  case ENOTCONN:
  case ECONNREFUSED:
    return NtStatus::ConnectionInvalid;
  case EADDRINUSE:
    return NtStatus::SharingViolation;
  case EADDRNOTAVAIL:
  case EAFNOSUPPORT: // a machine without IPv6
    return NtStatus::InvalidAddressComponent;
  case EACCES:
  case EPERM:
  case EROFS:
    return NtStatus::AccessDenied;
  case ENOENT:
    return NtStatus::ObjectNameNotFound;
  case EEXIST:
    return NtStatus::ObjectNameCollision;
  case ENOTDIR:
  case ELOOP:
    return NtStatus::ObjectPathNotFound;
  case ENAMETOOLONG:
    return NtStatus::ObjectNameInvalid;
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return NtStatus::DiskFull;
  case EBADF:
  case ENOTSOCK:
    return NtStatus::InvalidHandle;
  case EINVAL:
  case EFAULT: // pages that a client has removed from its arena
  case EMSGSIZE:
    return NtStatus::InvalidParameter;
  case ENOSYS:
  case EOPNOTSUPP:
    return NtStatus::NotSupported;
  default:
    return NtStatus::IoDeviceError;
  }
}

NtStatus fail(std::string &reason, const std::string &what)
{
  const int error = errno;
  reason = fmt::format("cannot {}: {}", what, std::strerror(error));
  return status_from_errno(error);
}

}
