// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/include/windows.h"
#include "tests/unit/lib/fake_source.h"
#include <doctest/doctest.h>
#include <vector>

using namespace test;

namespace {

class Event {
public:
  Event(bool manual, bool set) : m_handle(CreateEvent(nullptr, manual, set, nullptr)) {}
  Event(const Event &) = delete;
  ~Event() { CloseHandle(m_handle); }
  operator HANDLE() const { return m_handle; }
  bool is_set() const { return WaitForSingleObject(m_handle, 0) == WAIT_OBJECT_0; }

private:
  HANDLE m_handle;
};

}

TEST_CASE("a manual event stays set until it is reset, an automatic one satisfies one wait")
{
  for (bool manual : {false, true}) {
    CAPTURE(manual);
    Event event(manual, true);
    CHECK(WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(event, 0) == (manual ? WAIT_OBJECT_0 : WAIT_TIMEOUT));
    CHECK(ResetEvent(event));
    CHECK(WaitForSingleObject(event, 0) == WAIT_TIMEOUT);
    CHECK(SetEvent(event));
    CHECK(SetEvent(event)); // a set event can't be set twice
    CHECK(WaitForSingleObject(event, INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(event, 0) == (manual ? WAIT_OBJECT_0 : WAIT_TIMEOUT));
  }
}

TEST_CASE("events have no names and no descriptors")
{
  SECURITY_ATTRIBUTES attributes = {sizeof attributes, nullptr, TRUE};
  HANDLE event = CreateEvent(&attributes, TRUE, FALSE, nullptr);
  CHECK(event != nullptr);
  CHECK(CloseHandle(event));
  CHECK(CreateEventA(nullptr, TRUE, FALSE, "name") == nullptr);
  CHECK(GetLastError() == ERROR_NOT_SUPPORTED);
  CHECK(CreateEventW(nullptr, TRUE, FALSE, u"name") == nullptr);
  CHECK(GetLastError() == ERROR_NOT_SUPPORTED);
  attributes.lpSecurityDescriptor = &attributes;
  CHECK(CreateEventA(&attributes, TRUE, FALSE, nullptr) == nullptr);
  CHECK(GetLastError() == ERROR_NOT_SUPPORTED);
}

TEST_CASE("waiting for one of several: the lowest that is set, and only that one is taken")
{
  Event a(false, false), b(false, true), c(false, true);
  HANDLE all[] = {a, b, c};
  CHECK(WaitForMultipleObjects(3, all, FALSE, 0) == WAIT_OBJECT_0 + 1);
  CHECK(WaitForMultipleObjects(3, all, FALSE, 0) == WAIT_OBJECT_0 + 2);
  CHECK(WaitForMultipleObjects(3, all, FALSE, 0) == WAIT_TIMEOUT);
  HANDLE twice[] = {a, a};
  CHECK(WaitForMultipleObjects(2, twice, FALSE, 5) == WAIT_TIMEOUT);
  SetEvent(a);
  CHECK(WaitForMultipleObjects(2, twice, FALSE, 5) == WAIT_OBJECT_0);
}

TEST_CASE("waiting for all takes all or none")
{
  Event a(false, true), b(true, true), c(false, false);
  HANDLE all[] = {a, b, c};
  CHECK(WaitForMultipleObjects(3, all, TRUE, 5) == WAIT_TIMEOUT);
  CHECK(a.is_set()); // and this takes it
  SetEvent(a);
  SetEvent(c);
  CHECK(WaitForMultipleObjects(3, all, TRUE, 0) == WAIT_OBJECT_0);
  CHECK_FALSE(a.is_set());
  CHECK(b.is_set());
  CHECK_FALSE(c.is_set());
}

TEST_CASE("waiting for all: events that come one by one from another thread")
{
  Event a(false, false), b(false, false), c(true, false);
  HANDLE all[] = {a, b, c};
  std::thread setter([&] {
    until_waiting(1);
    SetEvent(a);
    SetEvent(c);
    SetEvent(b);
  });
  CHECK(WaitForMultipleObjects(3, all, TRUE, INFINITE) == WAIT_OBJECT_0);
  setter.join();
  CHECK_FALSE(a.is_set());
  CHECK_FALSE(b.is_set());
  CHECK(c.is_set());
}

TEST_CASE("arguments of waits are checked")
{
  Event a(true, true);
  std::vector<HANDLE> many(MAXIMUM_WAIT_OBJECTS + 1, a);
  CHECK(WaitForMultipleObjects(0, many.data(), FALSE, 0) == WAIT_FAILED);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK(WaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS + 1, many.data(), FALSE, 0) == WAIT_FAILED);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK(WaitForMultipleObjects(1, nullptr, FALSE, 0) == WAIT_FAILED);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK(WaitForMultipleObjects(2, many.data(), TRUE, 0) == WAIT_FAILED);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
  CHECK(WaitForMultipleObjects(MAXIMUM_WAIT_OBJECTS, many.data(), FALSE, 0) == WAIT_OBJECT_0);
  many[1] = nullptr;
  CHECK(WaitForMultipleObjects(2, many.data(), FALSE, 0) == WAIT_FAILED);
  CHECK(GetLastError() == ERROR_INVALID_HANDLE);
}

TEST_CASE("time-outs and Sleep last as long as they say")
{
  Event event(false, false);
  ULONGLONG start = GetTickCount64();
  CHECK(WaitForSingleObject(event, 30) == WAIT_TIMEOUT);
  CHECK(GetTickCount64() - start >= 29);
  start = GetTickCount64();
  Sleep(30);
  CHECK(GetTickCount64() - start >= 29);
  CHECK(GetTickCount64() - start < 2000);
  Sleep(0);
}

TEST_CASE("an event whose handle is closed still satisfies who waits for it")
{
  HANDLE event = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  Ref<EventObject> object = HandleMap::instance().find<EventObject>(event);
  std::thread setter([&] {
    until_waiting(1);
    CloseHandle(event);
    DispatcherGuard guard;
    object->signal(guard);
  });
  CHECK(WaitForSingleObject(event, INFINITE) == WAIT_OBJECT_0);
  setter.join();
  CHECK(WaitForSingleObject(event, 0) == WAIT_FAILED);
}
