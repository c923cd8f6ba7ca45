// SPDX-License-Identifier: MIT
// Reference counts inside the object, counted atomically: sessions and queues are held by the handle map, by operations in
// flight and by threads in a call at the same time.
#pragma once
#include <atomic>
#include <cstdint>
#include <utility>

namespace httpsys::lib {

// T derives from RefCounted<T> and starts with one reference, which adopt() takes over.
template <typename T>
class RefCounted {
public:
  RefCounted(const RefCounted &) = delete;
  RefCounted &operator=(const RefCounted &) = delete;
  void ref() { m_references.fetch_add(1, std::memory_order_relaxed); }
  void unref()
  {
    if (m_references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete static_cast<T *>(this);
  }

protected:
  RefCounted() = default;
  ~RefCounted() = default;

private:
  std::atomic<uint32_t> m_references{1};
};

template <typename T>
class Ref {
public:
  Ref() = default;
  explicit Ref(T *object) : m_object(object)
  {
    if (m_object)
      m_object->ref();
  }
  Ref(const Ref &other) : Ref(other.m_object) {}
  Ref(Ref &&other) noexcept : m_object(std::exchange(other.m_object, nullptr)) {}
  Ref &operator=(Ref other) noexcept
  {
    std::swap(m_object, other.m_object);
    return *this;
  }
  ~Ref()
  {
    if (m_object)
      m_object->unref();
  }
  static Ref adopt(T *object)
  {
    Ref reference;
    reference.m_object = object;
    return reference;
  }
  // Gives the reference to the caller, who must adopt() it again.
  T *leak() { return std::exchange(m_object, nullptr); }
  T *get() const { return m_object; }
  T *operator->() const { return m_object; }
  T &operator*() const { return *m_object; }
  explicit operator bool() const { return m_object != nullptr; }

private:
  T *m_object = nullptr;
};

}
