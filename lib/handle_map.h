// SPDX-License-Identifier: MIT
// HandleMap: the HANDLEs of the process and the objects behind them. A value is a slot and the generation of its content, so that a
// handle that was closed stays wrong for ever, whoever has the slot now. Bits 0 and 1 are zero as on Windows, where hEvent's bit 0
// has a meaning. One for the process, never destroyed; any thread.
#pragma once
#include "lib/include/windef.h"
#include "lib/ref_counted.h"
#include <mutex>

namespace httpsys::lib {

enum class HandleKind : uint8_t { Event, CompletionPort, RequestQueue, File };

class WaitableObject;

// What a handle stands for. Lives while a handle or a call refers to it.
class HandleObject : public RefCounted<HandleObject> {
public:
  HandleKind kind() const { return m_kind; }
  // Null for what cannot be waited for.
  virtual WaitableObject *as_waitable() { return nullptr; }
  // The handle was closed: once, by the thread that closed it, without locks. Threads may still be using the object.
  virtual void close() {}
  virtual ~HandleObject() = default;

protected:
  explicit HandleObject(HandleKind kind) : m_kind(kind) {}

private:
  HandleKind m_kind;
};

class HandleMap {
public:
  static constexpr uint32_t kMaxHandles = 1u << 20;

  static HandleMap &instance() { return s_instance; }

  // A new handle, which holds a reference. NULL when there is no memory or no slot left.
  HANDLE insert(HandleObject &object);

  // The object behind a handle; null when it has none, or one of another kind. T::kKind says which is wanted.
  Ref<HandleObject> find(HANDLE handle);
  template <typename T>
  Ref<T> find(HANDLE handle)
  {
    Ref<HandleObject> object = find(handle);
    if (!object || object->kind() != T::kKind)
      return {};
    return Ref<T>::adopt(static_cast<T *>(object.leak()));
  }

  // Takes the handle away and calls close(). False when it was none.
  bool close(HANDLE handle);
  // The same, but leaves a handle of another kind alone.
  bool close(HANDLE handle, HandleKind kind);

  // Open handles; for tests.
  uint32_t size();

  void before_fork() { m_mutex.lock(); }
  // is_child: forgets every handle, freeing nothing.
  void after_fork(bool is_child);

private:
  static constexpr uint32_t kChunkBits = 10, kChunk = 1u << kChunkBits, kNone = 0xffffffffu;
  static constexpr unsigned kIndexShift = 2, kGenerationShift = 22, kGenerationBits = 40;
  struct Slot {
    HandleObject *object = nullptr;
    uint64_t generation = 0;
    uint32_t next_free = kNone;
  };
  constexpr HandleMap() = default;

  Slot &slot(uint32_t index) { return m_chunks[index >> kChunkBits][index & (kChunk - 1)]; }
  Slot *slot_of(HANDLE handle);
  bool grow();
  void append_free(uint32_t index);
  bool close_if(HANDLE handle, const HandleKind *kind);

  std::mutex m_mutex;
  Slot *m_chunks[kMaxHandles >> kChunkBits] = {};
  uint32_t m_slots = 0;
  uint32_t m_size = 0;
  // Oldest first: a slot rests as long as possible.
  uint32_t m_first_free = kNone, m_last_free = kNone;
  static HandleMap s_instance;
};

}
