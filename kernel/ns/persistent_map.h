// SPDX-License-Identifier: GPL-3.0-or-later
// PersistentMap: a map by hash whose editions share all that they have in common, so that a change makes anew only the way to what it
// changes. A trie of nodes of 32 places each, by five bits of the hash a level. Core 0 changes it, through a MapEdition; other
// cores read an edition that is finished, which nobody changes any more. A map is only a pointer to what it has: a copy is another
// name of the same edition, and a value that contains maps shares them with its own copies.
// Value(key) makes the value of a key, and value.is(key) says whether it is that.
#pragma once
#include "kernel/base/verify.h"
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace httpsys::ns {

// A node or a leaf of a PersistentMap, made in some edition and changed in no later one.
struct MapItem {
  explicit MapItem(bool leaf) : is_leaf(leaf) {}
  virtual ~MapItem() = default;
  const bool is_leaf;
  uint64_t edition = 0;

protected:
  MapItem(const MapItem &) = default;
};

// The edition that is being made.
class MapEdition {
public:
  template <typename Item, typename... Arguments>
  Item *make(const Arguments &...arguments)
  {
    auto *item = new Item(arguments...);
    item->edition = m_number;
    m_made++;
    return item;
  }
  // Of this edition, so that it may be changed: a copy takes the place of one that others may be reading.
  template <typename Item>
  Item &own(MapItem *&place)
  {
    auto *item = static_cast<Item *>(place);
    if (item->edition == m_number)
      return *item;
    place = make<Item>(*item);
    discard(item);
    return static_cast<Item &>(*place);
  }
  void discard(MapItem *item)
  {
    std::unique_ptr<MapItem> owned(item);
    if (item->edition != m_number)
      m_replaced.push_back(std::move(owned));
  }
  // The next one begins. What this one does not have any more: to be freed when nobody reads an older one.
  std::vector<std::unique_ptr<MapItem>> finish()
  {
    m_number++;
    return std::exchange(m_replaced, {});
  }
  uint64_t made() const { return m_made; } // items, of all editions

private:
  uint64_t m_number = 1, m_made = 0;
  std::vector<std::unique_ptr<MapItem>> m_replaced;
};

template <typename Value>
class PersistentMap {
public:
  bool is_empty() const { return !m_root; }

  template <typename Key>
  const Value *find(uint64_t hash, const Key &key) const
  {
    const MapItem *item = m_root;
    for (uint32_t level = 0; item && !item->is_leaf; level++)
      item = static_cast<const Node *>(item)->items[branch(hash, level)];
    for (; item; item = static_cast<const Leaf *>(item)->same_hash)
      if (auto *leaf = static_cast<const Leaf *>(item); leaf->hash == hash && leaf->value.is(key))
        return &leaf->value;
    return nullptr;
  }

  // Any value, nullptr when there is none.
  const Value *any() const
  {
    const MapItem *item = m_root;
    while (item && !item->is_leaf)
      item = *std::ranges::find_if(static_cast<const Node *>(item)->items, [](MapItem *one) { return one != nullptr; });
    return item ? &static_cast<const Leaf *>(item)->value : nullptr;
  }

  // To be changed in this edition; made when there is none.
  template <typename Key>
  Value &change(MapEdition &edition, uint64_t hash, const Key &key)
  {
    MapItem **place = &m_root;
    uint32_t level = 0;
    for (; *place && !(*place)->is_leaf; level++)
      place = &edition.own<Node>(*place).items[branch(hash, level)];
    // As far as the hash of the leaf that is there begins in the same way.
    for (; *place && static_cast<Leaf *>(*place)->hash != hash; level++) {
      Node *node = edition.make<Node>();
      node->items[branch(static_cast<Leaf *>(*place)->hash, level)] = *place;
      *place = node;
      place = &node->items[branch(hash, level)];
    }
    for (; *place; place = &static_cast<Leaf *>(*place)->same_hash)
      if (Leaf &leaf = edition.own<Leaf>(*place); leaf.value.is(key))
        return leaf.value;
    auto *leaf = edition.make<Leaf>(hash, key);
    *place = leaf;
    return leaf->value;
  }

  // It must be there.
  template <typename Key>
  void erase(MapEdition &edition, uint64_t hash, const Key &key)
  {
    std::array<MapItem **, kLevels> way; // to the nodes
    MapItem **place = &m_root;
    uint32_t level = 0;
    for (; *place && !(*place)->is_leaf; level++) {
      way[level] = place;
      place = &edition.own<Node>(*place).items[branch(hash, level)];
    }
    while (*place && !static_cast<Leaf *>(*place)->value.is(key))
      place = &edition.own<Leaf>(*place).same_hash;
    VERIFY(*place);
    MapItem *leaf = std::exchange(*place, static_cast<Leaf *>(*place)->same_hash);
    edition.discard(leaf);
    // A node that leads to one leaf at most makes place for it.
    for (; level > 0; level--) {
      auto *node = static_cast<Node *>(*way[level - 1]);
      MapItem *last = nullptr;
      for (MapItem *item : node->items) {
        if (item && (last || !item->is_leaf))
          return;
        last = item ? item : last;
      }
      *way[level - 1] = last;
      edition.discard(node);
    }
  }

private:
  static constexpr uint32_t kBits = 5, kWidth = 1 << kBits, kLevels = 64 / kBits + 1;
  static uint32_t branch(uint64_t hash, uint32_t level) { return static_cast<uint32_t>(hash >> (level * kBits)) % kWidth; }

  struct Node final : MapItem {
    Node() : MapItem(false) {}
    std::array<MapItem *, kWidth> items{};
  };
  struct Leaf final : MapItem {
    template <typename Key>
    Leaf(uint64_t its_hash, const Key &key) : MapItem(true), hash(its_hash), value(key)
    {
    }
    uint64_t hash;
    MapItem *same_hash = nullptr; // other keys; by luck alone
    Value value;
  };

  MapItem *m_root = nullptr;
};

}
