// SPDX-License-Identifier: GPL-3.0-or-later
// Worked examples of http-wire-and-netsh.md A.3.1 and the rules around them.
#include "kernel/ns/url_tree.h"
#include "kernel/url/case_map.h"
#include <algorithm>
#include <cctype>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <numeric>
#include <random>

using namespace httpsys;

namespace {

ns::PrefixPtr prefix_of(std::u16string_view text)
{
  std::string reason;
  auto parsed = url::UrlPrefix::parse(text, reason);
  REQUIRE_MESSAGE(parsed, reason);
  return std::make_shared<const url::UrlPrefix>(parsed.release_value());
}

std::u16string utf16(const std::string &text)
{
  return {text.begin(), text.end()};
}

// The url context that serves the request, -400 or -404.
int64_t route(const ns::UrlTree &tree, std::string_view host, std::u16string_view path, uint16_t port, const char *local, ns::Route &found)
{
  url::Host parsed;
  REQUIRE(url::parse_host(host, parsed) == url::HostError::None);
  switch (tree.find({*IpAddress::parse(local), port}, parsed, url::to_upper(path), found)) {
  case ns::Lookup::Found: return static_cast<int64_t>(found.url_context);
  case ns::Lookup::NoHost: return -400;
  case ns::Lookup::NoPath: return -404;
  }
  return 0;
}

class Tree {
public:
  Tree &add(std::u16string_view prefix, uint64_t context)
  {
    m_editor.add(prefix_of(prefix), context, 7);
    return *this;
  }
  int64_t route(std::string_view host, std::u16string_view path, uint16_t port = 80, const char *local = "10.0.0.9")
  {
    return ::route(m_editor.finish().tree, host, path, port, local, last);
  }

  ns::Route last;

private:
  ns::UrlTree::Editor m_editor;
};

}

TEST_CASE("state 1: the strong wildcard beats names, names beat the weak wildcard")
{
  Tree tree;
  tree.add(u"http://+:80/vroot/", 1).add(u"http://adatum.com:80/", 2).add(u"http://*:80/", 3);
  CHECK(tree.route("adatum.com", u"/vroot/subdir/file.htm") == 1);
  CHECK(tree.route("adatum.com", u"/default.htm") == 2);
  CHECK(tree.route("otheradatum.com", u"/file.htm") == 3);
  CHECK(tree.route("otheradatum.com", u"/vroot/x") == 1);
  CHECK(tree.route("10.1.1.1", u"/") == 3);
}

TEST_CASE("state 3: the longest prefix by whole segments")
{
  Tree tree;
  tree.add(u"http://www.adatum.com:80/", 1).add(u"http://www.adatum.com:80/dir/sna/", 2);
  CHECK(tree.route("www.adatum.com", u"/default.htm") == 1);
  CHECK(tree.route("www.adatum.com", u"/dir/sna/snadefault.htm") == 2);
  CHECK(tree.route("www.adatum.com", u"/dir/app.htm") == 1);
  CHECK(tree.route("www.adatum.com", u"/dir/snafu") == 1);
  CHECK(tree.route("www.adatum.com", u"/dir/sna") == 2);
  CHECK(tree.route("WWW.Adatum.COM:8080", u"/DIR/Sna/") == 2);
}

TEST_CASE("state 5: nested prefixes of one host")
{
  Tree tree;
  tree.add(u"http://a:80/", 1)
      .add(u"http://a:80/11/", 2)
      .add(u"http://a:80/2/", 3)
      .add(u"http://a:80/2/3/", 4)
      .add(u"http://a:80/11/2/", 5);
  CHECK(tree.route("a", u"/11/random") == 2);
  CHECK(tree.route("a", u"/2/3") == 4);
  CHECK(tree.route("a", u"/2/random") == 3);
  CHECK(tree.route("a", u"/random") == 1);
  CHECK(tree.route("a", u"/11/2") == 5);
  CHECK(tree.route("a", u"/11") == 2);
}

TEST_CASE("the longest prefix wins in whatever order they were registered")
{
  std::mt19937 random(3);
  for (int times = 0; times < 20; times++) {
    std::vector<size_t> depths(12);
    std::iota(depths.begin(), depths.end(), 0);
    std::ranges::shuffle(depths, random);
    auto path = [](size_t depth) {
      std::u16string text = u"/";
      for (size_t i = 0; i < depth; i++)
        text += u"ab/";
      return text;
    };
    Tree tree;
    for (size_t depth : depths) {
      tree.add(u"http://+:80" + path(depth), depth);
      tree.add(u"http://+:80" + path(depth) + u"c/", 100 + depth); // lengths that are there, and others
    }
    for (size_t depth : depths) {
      CHECK(tree.route("x", path(depth) + u"d") == static_cast<int64_t>(depth));
      CHECK(tree.route("x", path(depth) + u"c") == static_cast<int64_t>(100 + depth));
    }
  }
}

TEST_CASE("a bucket that matches ends the search, however long a match further down would be")
{
  Tree tree;
  tree.add(u"http://+:80/", 1).add(u"http://www.a.com:80/very/long/", 2);
  CHECK(tree.route("www.a.com", u"/very/long/x") == 1);
}

TEST_CASE("an IP literal matches the connection's own address, whatever the Host says")
{
  Tree tree;
  tree.add(u"http://10.0.0.9:80/", 1);
  CHECK(tree.route("whatever", u"/", 80, "10.0.0.9") == 1);
  CHECK(tree.last.is_ip_routed);
  CHECK(tree.route("10.0.0.9", u"/", 80, "10.0.0.8") == -400);
}

TEST_CASE("no host: 400, host without that path: 404, other port: 400")
{
  Tree tree;
  tree.add(u"http://+:5985/wsman/", 1).add(u"http://localhost:8080/", 2);
  CHECK(tree.route("any", u"/", 5985) == -404);
  CHECK(tree.route("any", u"/WSMAN", 5985) == 1);
  CHECK(tree.route("127.0.0.1", u"/", 8080) == -400);
  CHECK(tree.route("localhost", u"/x", 8080, "127.0.0.1") == 2);
  CHECK(tree.route("any", u"/wsman", 5986) == -400);
}

TEST_CASE("what names localhost is not found from elsewhere when another URL has opened the port")
{
  Tree tree;
  tree.add(u"http://localhost:8080/", 1).add(u"http://127.0.0.1:8080/own/", 2);
  tree.add(u"http://+:8080/public/", 3).add(u"http://a.example:8080/", 4);
  for (const char *local : {"127.0.0.1", "127.0.0.2", "::1"})
    CHECK(tree.route("localhost", u"/x", 8080, local) == 1);
  for (const char *local : {"10.0.0.9", "2001:db8::9"}) {
    CHECK(tree.route("localhost", u"/x", 8080, local) == -404);
    CHECK(tree.route("LOCALHOST.", u"/own/x", 8080, local) == -404);
    CHECK(tree.route("127.0.0.1", u"/own/x", 8080, local) == -404);
    CHECK(tree.route("localhost", u"/public/x", 8080, local) == 3);
    CHECK(tree.route("a.example", u"/x", 8080, local) == 4);
  }
  // Whoever serves every host serves this one there.
  tree.add(u"http://*:8080/", 5);
  CHECK(tree.route("localhost", u"/x", 8080) == 5);
}

TEST_CASE("a port knows its scheme")
{
  ns::UrlTree::Editor editor;
  editor.add(prefix_of(u"https://+:443/"), 0, 7);
  auto tree = editor.finish().tree;
  CHECK(tree.is_https(443));
  CHECK(!tree.is_https(80));
}

TEST_CASE("hundreds of prefixes, one inside the other")
{
  Tree tree;
  std::u16string prefix = u"http://+:80/", path = u"/";
  for (uint64_t depth = 1; depth <= 250; depth++) {
    tree.add(prefix, depth);
    prefix += u"a/";
  }
  for (size_t depth : {0, 1, 150, 248, 249, 250, 2000}) {
    std::u16string long_path = u"/";
    for (size_t segment = 0; segment < depth; segment++)
      long_path += u"A/";
    CHECK(tree.route("x", long_path) == static_cast<int64_t>(std::min<size_t>(depth, 249) + 1));
    CHECK(tree.route("x", long_path + u"B") == static_cast<int64_t>(std::min<size_t>(depth, 249) + 1));
    if (depth > 0)
      CHECK(tree.route("x", long_path.substr(0, long_path.size() - 1)) == static_cast<int64_t>(std::min<size_t>(depth, 249) + 1));
  }
}

TEST_CASE("hashes of a path's beginnings are those of the paths themselves")
{
  std::u16string path = u"/one/two//three/\uffff/";
  ns::PathHash hash;
  for (size_t length = 0; length < path.size(); length++) {
    CHECK(hash.value() == ns::hash_path(path.substr(0, length)));
    hash.add(path[length]);
  }
  CHECK(ns::hash_path(u"") != ns::hash_path(std::u16string(1, u'\0')));
  CHECK(ns::hash_path(u"/a/") != ns::hash_path(u"/b/"));
}

TEST_CASE("a change of one URL makes and replaces a few parts of the tree, however many URLs its port has; trees before it stay")
{
  constexpr uint64_t kMost = 24;
  ns::UrlTree::Editor editor;
  for (int i = 0; i < 4096; i++)
    for (const char *host : {"+", "*", "10.0.0.9", "a.example"})
      editor.add(prefix_of(utf16(fmt::format("http://{}:80/{}/", host, i))), 1, 7);
  auto before = editor.finish();
  CHECK(before.replaced.empty()); // no other tree had it
  std::vector<ns::UrlTree::Editor::Finished> trees; // all are held
  for (const char *host : {"+", "*", "10.0.0.9", "a.example", "b.example"}) {
    for (int times = 0; times < 20; times++) {
      auto prefix = prefix_of(utf16(fmt::format("http://{}:80/a/{}/", host, times)));
      uint64_t made = editor.made();
      auto finish = [&] {
        CHECK(editor.made() - std::exchange(made, editor.made()) <= kMost);
        trees.push_back(editor.finish());
        CHECK(trees.back().replaced.size() <= kMost);
      };
      editor.add(prefix, 2, 7);
      finish();
      for (uint64_t queue = 0; queue <= 100; queue++)
        editor.set_queue(prefix, queue);
      finish();
      editor.remove(prefix);
      finish();
      auto path = utf16(fmt::format("/a/{}/x", times));
      auto queue_in = [&](const ns::UrlTree &tree) {
        ns::Route found;
        std::string_view name = std::isalpha(host[0]) ? host : "c.example";
        return route(tree, name, path, 80, "10.0.0.9", found) == 2 ? static_cast<int64_t>(found.queue_id) : -1;
      };
      CHECK(queue_in(before.tree) == -1);
      CHECK(queue_in(trees.end()[-3].tree) == 7);
      CHECK(queue_in(trees.end()[-2].tree) == 100);
      CHECK(queue_in(trees.end()[-1].tree) == -1);
    }
  }
}
