// SPDX-License-Identifier: MIT
#include "lib/body_source.h"
#include "lib/caller_value.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <sys/stat.h>
#include <unistd.h>

namespace httpsys::lib {

uint32_t BodySource::capture(uint32_t count, const HTTP_DATA_CHUNK *chunks, uint32_t most, ErrorText &why)
{
  if (count > most) {
    why.format("%u chunks were given; this call takes at most %u.", count, most);
    return ERROR_INVALID_PARAMETER;
  }
  if (count && !chunks) {
    why.format("%u chunks were announced, but the pointer to them is NULL.", count);
    return ERROR_INVALID_PARAMETER;
  }
  if (count > kInline) {
    m_heap.reset(new (std::nothrow) Piece[count]);
    if (!m_heap)
      return ERROR_NOT_ENOUGH_MEMORY;
  }
  for (; m_count < count; m_count++) {
    Piece &piece = pieces()[m_count];
    uint32_t code = capture_chunk(chunks[m_count], m_count, piece, why);
    if (code != NO_ERROR)
      return code;
    if (piece.length > UINT64_MAX - m_total) {
      why.assign("the chunks' lengths together are over 2^64 bytes.");
      return ERROR_INVALID_PARAMETER;
    }
    m_total += piece.length;
  }
  m_remaining = m_total;
  return NO_ERROR;
}

uint32_t BodySource::capture_chunk(const HTTP_DATA_CHUNK &chunk, uint32_t index, Piece &piece, ErrorText &why)
{
  switch (number_of(chunk.DataChunkType)) {
  case HttpDataChunkFromMemory:
    piece.memory = static_cast<const uint8_t *>(chunk.FromMemory.pBuffer);
    piece.length = chunk.FromMemory.BufferLength;
    if (piece.length && !piece.memory) {
      why.format("chunk %u has %u bytes in memory, but pBuffer is NULL.", index, chunk.FromMemory.BufferLength);
      return ERROR_INVALID_PARAMETER;
    }
    return NO_ERROR;
  case HttpDataChunkFromFileHandle:
    return capture_file(chunk, index, piece, why);
  case HttpDataChunkFromFragmentCache:
  case HttpDataChunkFromFragmentCacheEx:
    why.format("chunk %u is from the fragment cache, which does not exist yet.", index);
    return ERROR_NOT_SUPPORTED;
  case HttpDataChunkTrailers:
    why.format("chunk %u holds trailers, which do not exist yet (HttpIsFeatureSupported says FALSE).", index);
    return ERROR_NOT_SUPPORTED;
  default:
    why.format("chunk %u is of the unknown type %u.", index, number_of(chunk.DataChunkType));
    return ERROR_INVALID_PARAMETER;
  }
}

uint32_t BodySource::capture_file(const HTTP_DATA_CHUNK &chunk, uint32_t index, Piece &piece, ErrorText &why)
{
  piece.file = HandleMap::instance().find<FileObject>(chunk.FromFileHandle.FileHandle);
  struct stat status;
  if (!piece.file || fstat(piece.file->descriptor(), &status) != 0) {
    why.format("chunk %u: FileHandle is no handle to a file. httpsys_file_from_fd makes one from a descriptor.", index);
    return ERROR_INVALID_HANDLE;
  }
  uint64_t size = static_cast<uint64_t>(status.st_size);
  piece.offset = chunk.FromFileHandle.ByteRange.StartingOffset.QuadPart;
  piece.length = chunk.FromFileHandle.ByteRange.Length.QuadPart;
  if (piece.offset <= size && piece.length == HTTP_BYTE_RANGE_TO_EOF)
    piece.length = size - piece.offset;
  if (piece.offset > size || piece.length > size - piece.offset) {
    why.format("chunk %u: the file has %llu bytes, the range begins at %llu and has %llu.", index, static_cast<unsigned long long>(size),
      static_cast<unsigned long long>(piece.offset), static_cast<unsigned long long>(piece.length));
    return ERROR_HANDLE_EOF;
  }
  return NO_ERROR;
}

bool BodySource::read(uint8_t *to, uint32_t bytes)
{
  while (bytes) {
    if (m_current == m_count)
      return false;
    Piece &piece = pieces()[m_current];
    uint64_t left = piece.length - m_done;
    if (left == 0) {
      piece.file = {};
      m_current++;
      m_done = 0;
      continue;
    }
    size_t wanted = static_cast<size_t>(std::min<uint64_t>(bytes, left));
    if (piece.memory) {
      memcpy(to, piece.memory + m_done, wanted);
    } else {
      ssize_t count = pread(piece.file->descriptor(), to, wanted, static_cast<off_t>(piece.offset + m_done));
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return false;
      wanted = static_cast<size_t>(count);
    }
    to += wanted;
    bytes -= static_cast<uint32_t>(wanted);
    m_done += wanted;
    m_remaining -= wanted;
  }
  return true;
}

}
