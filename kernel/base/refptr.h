// SPDX-License-Identifier: GPL-3.0-or-later
// Intrusive reference counting. RefCounted<T> counts on one core only; AtomicRefCounted<T> is for the few objects whose references
// are held by several cores (immutable snapshots, shared memory regions). adopt() takes over the reference that a new object has.
#pragma once
#include "kernel/base/verify.h"
#include <atomic>
#include <cstdint>
#include <utility>

namespace httpsys {

template <typename T>
class RefCounted {
public:
  RefCounted(const RefCounted &) = delete;
  RefCounted &operator=(const RefCounted &) = delete;
  void ref() const
  {
    ASSERT(m_references > 0);
    m_references++;
  }
  void unref() const
  {
    ASSERT(m_references > 0);
    if (--m_references == 0)
      delete static_cast<const T *>(this);
  }
  uint32_t ref_count() const { return m_references; }

protected:
  RefCounted() = default;
  ~RefCounted() = default;

private:
  mutable uint32_t m_references = 1;
};

template <typename T>
class AtomicRefCounted {
public:
  AtomicRefCounted(const AtomicRefCounted &) = delete;
  AtomicRefCounted &operator=(const AtomicRefCounted &) = delete;
  void ref() const { m_references.fetch_add(1, std::memory_order_relaxed); }
  void unref() const
  {
    // Release orders this holder's accesses before the deletion, acquire makes the deleter see all of them.
    if (m_references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete static_cast<const T *>(this);
  }

protected:
  AtomicRefCounted() = default;
  ~AtomicRefCounted() = default;

private:
  mutable std::atomic<uint32_t> m_references{1};
};

template <typename T>
class RefPtr {
public:
  RefPtr() = default;
  RefPtr(std::nullptr_t) {}
  RefPtr(T *object) : m_object(object)
  {
    if (m_object)
      m_object->ref();
  }
  RefPtr(T &object) : RefPtr(&object) {}
  RefPtr(const RefPtr &other) : RefPtr(other.m_object) {}
  RefPtr(RefPtr &&other) noexcept : m_object(std::exchange(other.m_object, nullptr)) {}
  template <typename U>
  RefPtr(const RefPtr<U> &other) : RefPtr(other.get())
  {
  }
  template <typename U>
  RefPtr(RefPtr<U> &&other) : m_object(other.leak())
  {
  }
  ~RefPtr()
  {
    if (m_object)
      m_object->unref();
  }
  RefPtr &operator=(RefPtr other) noexcept
  {
    std::swap(m_object, other.m_object);
    return *this;
  }
  static RefPtr adopt(T *object)
  {
    RefPtr pointer;
    pointer.m_object = object;
    return pointer;
  }
  T *get() const { return m_object; }
  T *operator->() const { return m_object; }
  T &operator*() const { return *m_object; }
  explicit operator bool() const { return m_object != nullptr; }
  bool operator==(const RefPtr &other) const { return m_object == other.m_object; }
  // Gives the reference to the caller, who must adopt() it again.
  T *leak() { return std::exchange(m_object, nullptr); }

private:
  T *m_object = nullptr;
};

}
