// SPDX-License-Identifier: GPL-3.0-or-later
// Buffer budget: what connections keep in memory, output that sockets have not taken and input that nobody has read. While those of a core
// keep more than its part of [limits] ConnectionBufferBytesTotal, each connection may keep less than otherwise: its sends wait sooner and
// its socket is read later. Nobody is cut off for it. Each core has an equal part and counts alone, so that no word is shared.
#pragma once
#include <cstddef>
#include <cstdint>

namespace httpsys::http {

// What each core has of a total.
uint64_t part_of_core(uint64_t total);

// Beyond these a connection's sends wait, and its socket is not read.
struct BufferWindows {
  size_t output; // bytes
  size_t body;   // bytes that were not read by the application
  size_t input;  // bytes behind the current request
};
const BufferWindows &buffer_windows();
// Whether they are the smaller ones. Sockets are read a piece at a time then.
bool buffers_are_short();

// What one connection keeps, in its core's sum. On that core, its end too.
class BufferedBytes {
public:
  BufferedBytes() = default;
  BufferedBytes(const BufferedBytes &) = delete;
  ~BufferedBytes() { set(0); }
  void set(size_t bytes);

private:
  size_t m_bytes = 0;
};

// The right to read with a multishot receive, which takes limits::kMultishotBytes of what a client has sent before anybody can stop it.
// There are as many as the memory bears when all their clients send at once; each core has an equal part. On the connection's core.
class MultishotRight {
public:
  MultishotRight() = default;
  MultishotRight(const MultishotRight &) = delete;
  ~MultishotRight() { give(); }
  bool take(); // false: there is none left
  void give();

private:
  bool m_has = false;
};

// Of the current core.
size_t buffered_bytes();

}
