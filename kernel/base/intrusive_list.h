// SPDX-License-Identifier: GPL-3.0-or-later
// Doubly linked list through a member of the element: an element is in at most one list per link. The list owns nothing.
#pragma once
#include "kernel/base/verify.h"
#include <cstddef>

namespace httpsys {

template <typename T, typename Tag>
class IntrusiveList;

// Tag tells several links of one class apart.
template <typename T, typename Tag = void>
class ListLink {
public:
  ListLink() = default;
  ListLink(const ListLink &) = delete;
  ListLink &operator=(const ListLink &) = delete;
  ~ListLink() { ASSERT(!is_linked()); }
  bool is_linked() const { return m_next != nullptr; }

private:
  friend class IntrusiveList<T, Tag>;
  ListLink *m_previous = nullptr;
  ListLink *m_next = nullptr;
};

template <typename T, typename Tag = void>
class IntrusiveList {
  using Link = ListLink<T, Tag>;

public:
  IntrusiveList() { m_head.m_next = m_head.m_previous = &m_head; }
  IntrusiveList(const IntrusiveList &) = delete;
  IntrusiveList &operator=(const IntrusiveList &) = delete;
  ~IntrusiveList()
  {
    ASSERT(is_empty());
    m_head.m_next = m_head.m_previous = nullptr;
  }
  bool is_empty() const { return m_head.m_next == &m_head; }
  size_t size() const { return m_size; }
  T *first() { return is_empty() ? nullptr : element(m_head.m_next); }
  T *last() { return is_empty() ? nullptr : element(m_head.m_previous); }
  T *next(T &item)
  {
    Link *following = static_cast<Link &>(item).m_next;
    return following == &m_head ? nullptr : element(following);
  }
  void append(T &item) { insert_before(m_head, item); }
  void prepend(T &item) { insert_before(*m_head.m_next, item); }
  void remove(T &item)
  {
    Link &link = item;
    ASSERT(link.is_linked());
    link.m_previous->m_next = link.m_next;
    link.m_next->m_previous = link.m_previous;
    link.m_next = link.m_previous = nullptr;
    m_size--;
  }
  T *take_first()
  {
    T *item = first();
    if (item)
      remove(*item);
    return item;
  }

private:
  static T *element(Link *link) { return static_cast<T *>(link); }
  void insert_before(Link &position, T &item)
  {
    Link &link = item;
    ASSERT(!link.is_linked());
    link.m_previous = position.m_previous;
    link.m_next = &position;
    position.m_previous->m_next = &link;
    position.m_previous = &link;
    m_size++;
  }
  Link m_head;
  size_t m_size = 0;
};

}
