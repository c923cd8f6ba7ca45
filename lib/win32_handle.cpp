// SPDX-License-Identifier: MIT
// Exported: handles, last errors, time (winbase.h), and httpsys.h.
#include "lib/file_object.h"
#include "lib/include/httpsys.h"
#include "lib/include/windows.h"
#include "lib/last_error.h"
#include "lib/reaper.h"
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace httpsys::lib;

DWORD GetLastError(void)
{
  return last_error();
}

void SetLastError(DWORD code)
{
  set_last_error(code);
}

BOOL CloseHandle(HANDLE object)
{
  begin_call();
  if (!HandleMap::instance().close(object))
    return fail(ERROR_INVALID_HANDLE, "CloseHandle: %p is no open handle.", object);
  return TRUE;
}

// A sleeping thread may lead: a program that polls between sleeps gets on while it sleeps.
void Sleep(DWORD milliseconds)
{
  begin_call();
  if (milliseconds == 0)
    sched_yield();
  Waiter nobody;
  DispatcherGuard guard;
  Reaper::instance().wait(guard, nobody, Deadline::after(milliseconds));
}

ULONGLONG GetTickCount64(void)
{
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<ULONGLONG>(now.tv_sec) * 1000 + static_cast<ULONGLONG>(now.tv_nsec) / 1000000;
}

const char *httpsys_last_error_text(void)
{
  return last_error_text();
}

HANDLE httpsys_file_from_fd(int fd)
{
  begin_call();
  struct stat status {};
  int copy = -1;
  if (fstat(fd, &status) != 0) {
    fail(ERROR_INVALID_HANDLE, "httpsys_file_from_fd: descriptor %d: %s.", fd, strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    fail(ERROR_INVALID_PARAMETER, "httpsys_file_from_fd: descriptor %d is no regular file.", fd);
  } else if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
    fail(ERROR_TOO_MANY_OPEN_FILES, "httpsys_file_from_fd: descriptor %d can't be duplicated: %s.", fd, strerror(errno));
  } else if (Ref<FileObject> file = FileObject::create(copy)) {
    if (HANDLE handle = HandleMap::instance().insert(*file))
      return handle;
    fail(ERROR_NOT_ENOUGH_MEMORY, "httpsys_file_from_fd: no memory for a handle.");
  } else {
    close(copy);
    fail(ERROR_NOT_ENOUGH_MEMORY, "httpsys_file_from_fd: no memory for a file.");
  }
  return nullptr;
}
