// SPDX-License-Identifier: MIT
#include "lib/file_object.h"
#include <new>
#include <unistd.h>

namespace httpsys::lib {

Ref<FileObject> FileObject::create(int descriptor)
{
  return Ref<FileObject>::adopt(new (std::nothrow) FileObject(descriptor));
}

FileObject::~FileObject()
{
  ::close(m_descriptor);
}

}
