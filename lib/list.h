// SPDX-License-Identifier: MIT
// Doubly linked list through a base of the element, which is in at most one list per Tag. The list owns nothing and needs no
// initialisation at run time, so that lists may be global.
#pragma once
#include <utility>

namespace httpsys::lib {

template <typename T, typename Tag>
class List;

template <typename T, typename Tag = void>
class ListLink {
public:
  ListLink() = default;
  ListLink(const ListLink &) = delete;
  ListLink &operator=(const ListLink &) = delete;
  bool is_linked() const { return m_list != nullptr; }

protected:
  ~ListLink() = default;

private:
  friend class List<T, Tag>;
  List<T, Tag> *m_list = nullptr;
  T *m_next = nullptr, *m_previous = nullptr;
};

template <typename T, typename Tag = void>
class List {
public:
  constexpr List() = default;
  List(const List &) = delete;
  List &operator=(const List &) = delete;

  bool is_empty() const { return m_first == nullptr; }
  T *first() const { return m_first; }
  T *last() const { return m_last; }
  static T *next(const T &item) { return link(item).m_next; }

  void append(T &item)
  {
    link(item).m_list = this;
    link(item).m_next = nullptr;
    link(item).m_previous = m_last;
    (m_last ? link(*m_last).m_next : m_first) = &item;
    m_last = &item;
  }
  // Nothing when the item is in no list.
  void remove(T &item)
  {
    if (!link(item).is_linked())
      return;
    T *next = std::exchange(link(item).m_next, nullptr), *previous = std::exchange(link(item).m_previous, nullptr);
    (previous ? link(*previous).m_next : m_first) = next;
    (next ? link(*next).m_previous : m_last) = previous;
    link(item).m_list = nullptr;
  }
  T *take_first()
  {
    T *item = m_first;
    if (item)
      remove(*item);
    return item;
  }
  // Drops all links without touching the items, which may be gone.
  void forget() { m_first = m_last = nullptr; }

private:
  static ListLink<T, Tag> &link(T &item) { return item; }
  static const ListLink<T, Tag> &link(const T &item) { return item; }
  T *m_first = nullptr, *m_last = nullptr;
};

}
