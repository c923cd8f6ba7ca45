// SPDX-License-Identifier: MIT
// BodySource: the bytes that the chunks of a send name, read piece by piece: memory of the caller, which stays until the operation
// completes, and files, whose handles may be closed meanwhile. Belongs to one call.
#pragma once
#include "lib/error_text.h"
#include "lib/file_object.h"
#include "lib/include/http.h"
#include <memory>

namespace httpsys::lib {

class BodySource {
public:
  // Checks and captures the array. most: chunks that the function allows. A Win32 code, with a sentence: ERROR_INVALID_PARAMETER,
  // ERROR_INVALID_HANDLE (a file handle that is none), ERROR_HANDLE_EOF (a range past the file's end), ERROR_NOT_SUPPORTED (kinds of
  // chunks that are not there yet), ERROR_NOT_ENOUGH_MEMORY.
  uint32_t capture(uint32_t count, const HTTP_DATA_CHUNK *chunks, uint32_t most, ErrorText &why);

  uint64_t total() const { return m_total; }
  uint64_t remaining() const { return m_remaining; }
  // Copies the next bytes. False when a file has become shorter or cannot be read.
  bool read(uint8_t *to, uint32_t bytes);

private:
  static constexpr uint32_t kInline = 4; // chunks; callers mostly have one or two
  struct Piece {
    const uint8_t *memory = nullptr;
    Ref<FileObject> file;
    uint64_t offset = 0, length = 0;
  };
  uint32_t capture_chunk(const HTTP_DATA_CHUNK &chunk, uint32_t index, Piece &piece, ErrorText &why);
  uint32_t capture_file(const HTTP_DATA_CHUNK &chunk, uint32_t index, Piece &piece, ErrorText &why);
  Piece *pieces() { return m_heap ? m_heap.get() : m_inline; }

  Piece m_inline[kInline];
  std::unique_ptr<Piece[]> m_heap;
  uint32_t m_count = 0, m_current = 0;
  uint64_t m_done = 0; // of the current piece
  uint64_t m_total = 0, m_remaining = 0;
};

}
