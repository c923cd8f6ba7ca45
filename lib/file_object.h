// SPDX-License-Identifier: MIT
// FileObject: a file that HttpDataChunkFromFileHandle may name: a duplicate of the program's descriptor. Read with pread only, so that
// the file's position stays the program's.
#pragma once
#include "lib/handle_map.h"

namespace httpsys::lib {

class FileObject final : public HandleObject {
public:
  static constexpr HandleKind kKind = HandleKind::File;
  // Takes the descriptor over. Null without memory; then it is the caller's still.
  static Ref<FileObject> create(int descriptor);
  int descriptor() const { return m_descriptor; }
  ~FileObject() override;

private:
  explicit FileObject(int descriptor) : HandleObject(kKind), m_descriptor(descriptor) {}
  int m_descriptor;
};

}
