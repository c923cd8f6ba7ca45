// SPDX-License-Identifier: GPL-3.0-or-later
// Editions of a map beside a model, whatever the hashes; what a change makes and replaces is bounded, and nothing is left.
#include "kernel/ns/persistent_map.h"
#include <deque>
#include <doctest/doctest.h>
#include <map>
#include <random>

using namespace httpsys;

namespace {

struct Value {
  explicit Value(uint64_t its_key) : key(its_key) { count++; }
  Value(const Value &other) : key(other.key), number(other.number) { count++; }
  ~Value() { count--; }
  bool is(uint64_t other) const { return key == other; }
  uint64_t key;
  int number = 0;
  static inline int count = 0;
};

struct Edition {
  ns::PersistentMap<Value> map;
  std::map<uint64_t, int> model;
  std::vector<std::unique_ptr<ns::MapItem>> replaced; // by it
};

uint64_t mixed(uint64_t key)
{
  key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9;
  key = (key ^ key >> 27) * 0x94d049bb133111eb;
  return key ^ key >> 31;
}

}

TEST_CASE("all editions of a map stay what they were while they are held")
{
  using Hash = uint64_t (*)(uint64_t);
  for (Hash hash : {Hash(mixed), Hash([](uint64_t key) { return key; }), Hash([](uint64_t key) { return key << 60; }),
                    Hash([](uint64_t key) { return key % 3 << 62; }), Hash([](uint64_t) { return uint64_t{5}; })}) {
    std::mt19937 random(7);
    ns::PersistentMap<Value> map;
    std::map<uint64_t, int> model;
    ns::MapEdition edition;
    std::deque<Edition> held;
    auto check = [&](const ns::PersistentMap<Value> &one, const std::map<uint64_t, int> &its_model) {
      REQUIRE(one.is_empty() == its_model.empty());
      REQUIRE((one.any() != nullptr) == !its_model.empty());
      for (uint64_t key = 0; key < 60; key++) {
        const Value *found = one.find(hash(key), key);
        auto expected = its_model.find(key);
        REQUIRE((found != nullptr) == (expected != its_model.end()));
        if (found)
          REQUIRE(found->number == expected->second);
      }
    };
    for (int step = 0; step < 2000; step++) {
      for (uint32_t changes = random() % 4; changes > 0; changes--) {
        uint64_t key = random() % 60;
        // Many, then few.
        if (random() % 100 < (step / 200 % 2 == 0 ? 70u : 20u)) {
          map.change(edition, hash(key), key).number = step;
          model[key] = step;
        } else if (model.erase(key) == 1) {
          map.erase(edition, hash(key), key);
        }
      }
      held.push_back({map, model, edition.finish()});
      if (held.size() > 5) {
        check(held.front().map, held.front().model);
        // The oldest goes, and with it what the one behind it has replaced.
        held.pop_front();
        held.front().replaced.clear();
      }
      check(map, model);
    }
    while (const Value *last = map.any())
      map.erase(edition, hash(last->key), uint64_t{last->key});
    held.clear();
    edition.finish();
    CHECK(Value::count == 0);
  }
}

TEST_CASE("a change makes and replaces what leads to it alone, however much there is")
{
  ns::PersistentMap<Value> map;
  ns::MapEdition edition;
  constexpr uint64_t kKeys = 16384, kMost = 8; // 32 ways each: 3 nodes and some for hashes that begin in the same way
  for (uint64_t key = 0; key < kKeys; key++)
    map.change(edition, mixed(key), key);
  CHECK(edition.finish().empty()); // nobody has seen what was replaced
  uint64_t made = edition.made();
  auto check_and_finish = [&] {
    CHECK(edition.made() - std::exchange(made, edition.made()) <= kMost);
    CHECK(edition.finish().size() <= kMost);
  };
  for (uint64_t key = 0; key < kKeys; key += 50) {
    // However often.
    for (int times = 0; times < 100; times++)
      map.change(edition, mixed(key), key).number = times;
    check_and_finish();
    map.erase(edition, mixed(key), key);
    check_and_finish();
    map.change(edition, mixed(key), key);
    check_and_finish();
  }
  for (uint64_t key = 0; key < kKeys; key++)
    map.erase(edition, mixed(key), key);
  edition.finish();
  CHECK(map.is_empty());
  CHECK(Value::count == 0);
}
