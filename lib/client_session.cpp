// SPDX-License-Identifier: MIT
#include "lib/client_session.h"
#include <new>

namespace httpsys::lib {

Ref<ClientSession> ClientSession::connect(uint32_t &code, ErrorText &why)
{
  constexpr uint32_t kNoError = 0, kNotEnoughMemory = 8;
  Ref<ClientSession> session = Ref<ClientSession>::adopt(new (std::nothrow) ClientSession);
  if (!session) {
    code = kNotEnoughMemory;
    return {};
  }
  code = session->m_control.open(ControlConnection::socket_path(), why);
  if (code == kNoError)
    code = session->m_control.open_channel(session->m_memory, why);
  if (code == kNoError && !session->m_channel.initialise()) {
    code = kNotEnoughMemory;
    why.assign("no memory for the bookkeeping of a channel to httpsysd.");
  }
  return code == kNoError ? session : Ref<ClientSession>();
}

void ClientSession::abandon_in_child()
{
  m_control.close();
  m_memory.close_doorbells();
}

}
