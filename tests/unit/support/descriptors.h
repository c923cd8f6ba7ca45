// SPDX-License-Identifier: GPL-3.0-or-later
// Descriptors in messages, as hostile clients of the control socket send them.
#pragma once
#include <cstring>
#include <sys/socket.h>
#include <vector>

namespace httpsys::test {

// A byte with a descriptor, several times over; returns whether the kernel took it.
inline bool send_descriptor(int socket, int descriptor, int count)
{
  char byte = 'b';
  iovec vector{&byte, 1};
  std::vector<char> control(CMSG_SPACE(sizeof(int) * static_cast<size_t>(count)));
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int) * static_cast<size_t>(count));
  for (int i = 0; i < count; i++)
    std::memcpy(CMSG_DATA(head) + sizeof(int) * static_cast<size_t>(i), &descriptor, sizeof descriptor);
  return sendmsg(socket, &message, 0) == 1;
}

}
