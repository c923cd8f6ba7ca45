// SPDX-License-Identifier: MIT
#include "lib/send_queue.h"
#include "lib/send_call.h"

namespace httpsys::lib {

bool SendQueue::enter(SendCall &call)
{
  std::lock_guard lock(m_mutex);
  List &list = bucket(call.m_request_id);
  bool is_first = true;
  for (SendCall *other = list.first; other && is_first; other = other->m_next_open)
    is_first = other->m_request_id != call.m_request_id;
  call.m_previous_open = list.last;
  (list.last ? list.last->m_next_open : list.first) = &call;
  list.last = &call;
  return is_first;
}

Ref<SendCall> SendQueue::leave(SendCall &call)
{
  std::lock_guard lock(m_mutex);
  if (call.m_is_waiting)
    unlink_waiting(call);
  List &list = bucket(call.m_request_id);
  bool was_first = true;
  for (SendCall *other = list.first; other != &call; other = other->m_next_open)
    was_first &= other->m_request_id != call.m_request_id;
  SendCall *successor = call.m_next_open;
  while (successor && successor->m_request_id != call.m_request_id)
    successor = successor->m_next_open;
  (call.m_previous_open ? call.m_previous_open->m_next_open : list.first) = call.m_next_open;
  (call.m_next_open ? call.m_next_open->m_previous_open : list.last) = call.m_previous_open;
  call.m_next_open = call.m_previous_open = nullptr;
  return Ref<SendCall>(was_first ? successor : nullptr);
}

bool SendQueue::wait_behind_others(SendCall &call)
{
  std::lock_guard lock(m_mutex);
  if (m_waiting.first)
    link_waiting(call, false);
  return m_waiting.first != nullptr;
}

uint32_t SendQueue::releases()
{
  std::lock_guard lock(m_mutex);
  return m_releases;
}

bool SendQueue::wait_for_arena(SendCall &call, bool is_next, uint32_t releases)
{
  std::lock_guard lock(m_mutex);
  if (m_releases != releases)
    return false;
  if (!call.m_is_waiting)
    link_waiting(call, is_next);
  return true;
}

Ref<SendCall> SendQueue::released()
{
  std::lock_guard lock(m_mutex);
  m_releases++;
  return take_first_waiting();
}

Ref<SendCall> SendQueue::take_waiting()
{
  std::lock_guard lock(m_mutex);
  return take_first_waiting();
}

void SendQueue::link_waiting(SendCall &call, bool is_next)
{
  call.m_is_waiting = true;
  call.m_previous_waiting = is_next ? nullptr : m_waiting.last;
  call.m_next_waiting = is_next ? m_waiting.first : nullptr;
  (call.m_previous_waiting ? call.m_previous_waiting->m_next_waiting : m_waiting.first) = &call;
  (call.m_next_waiting ? call.m_next_waiting->m_previous_waiting : m_waiting.last) = &call;
}

void SendQueue::unlink_waiting(SendCall &call)
{
  call.m_is_waiting = false;
  (call.m_previous_waiting ? call.m_previous_waiting->m_next_waiting : m_waiting.first) = call.m_next_waiting;
  (call.m_next_waiting ? call.m_next_waiting->m_previous_waiting : m_waiting.last) = call.m_previous_waiting;
}

// It has not left, so it has not ended and its registry still holds it.
Ref<SendCall> SendQueue::take_first_waiting()
{
  Ref<SendCall> call(m_waiting.first);
  if (call)
    unlink_waiting(*call);
  return call;
}

}
