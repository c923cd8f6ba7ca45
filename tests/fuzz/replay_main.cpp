// SPDX-License-Identifier: GPL-3.0-or-later
// A main for the fuzz targets without libFuzzer: runs inputs, then for some seconds others made of them. It knows nothing of coverage;
// it is there so that a compiler without libFuzzer, and every test run, sees that the targets hold.
// Usage: fuzz-NAME [--seconds N] [--seed S] FILE_OR_FOLDER...
// A file NAME.pack holds many inputs (corpus.py makes it), any other is one. Whatever ends the process leaves the input that it was at in
// fuzz-NAME.last, which is an input, too.
#include "kernel/base/random.h"
#include "tests/fuzz/fuzz_target.h"
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

using Bytes = std::vector<uint8_t>;

static constexpr size_t kMostBytes = 36864; // of an input that is made: MaxClientCertificateBytes, and what stands around them

// A file that always has the current input, whoever ends the process: a sanitizer asks nobody.
class LastInput {
public:
  explicit LastInput(std::string path) : m_path(std::move(path)), m_file(open(m_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600))
  {
  }
  void put(const Bytes &bytes)
  {
    bool is_kept = m_file >= 0 && pwrite(m_file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()) &&
                   ftruncate(m_file, static_cast<off_t>(bytes.size())) == 0;
    if (!is_kept && !std::exchange(m_is_said, true))
      std::fprintf(stderr, "%s cannot be written: a finding will have no input\n", m_path.c_str());
  }
  void remove() { unlink(m_path.c_str()); }

private:
  std::string m_path;
  int m_file;
  bool m_is_said = false;
};

static void run(const Bytes &bytes, LastInput &last)
{
  last.put(bytes);
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

static Bytes read_file(const std::filesystem::path &path)
{
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Each input with two bytes of its length in front, little-endian.
static void unpack(const Bytes &pack, std::vector<Bytes> &corpus)
{
  for (size_t at = 0; at + 2 <= pack.size();) {
    size_t end = std::min(pack.size(), at + 2 + pack[at] + pack[at + 1] * size_t{256});
    corpus.emplace_back(pack.begin() + static_cast<ptrdiff_t>(at + 2), pack.begin() + static_cast<ptrdiff_t>(end));
    at = end;
  }
}

static std::vector<Bytes> read_corpus(const std::vector<std::filesystem::path> &places)
{
  std::vector<std::filesystem::path> files;
  for (auto &place : places) {
    if (!std::filesystem::is_directory(place))
      files.push_back(place);
    else
      for (auto &entry : std::filesystem::directory_iterator(place))
        files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<Bytes> corpus;
  for (auto &path : files) {
    if (path.extension() == ".pack")
      unpack(read_file(path), corpus);
    else
      corpus.push_back(read_file(path));
  }
  return corpus;
}

static Bytes mutate(const std::vector<Bytes> &corpus, httpsys::Random &random)
{
  Bytes bytes = corpus[random.below(corpus.size())];
  for (uint64_t times = 1 + random.below(6); times > 0; times--) {
    size_t at = random.below(bytes.size() + 1);
    auto place = bytes.begin() + static_cast<ptrdiff_t>(at);
    switch (random.below(5)) {
    case 0: bytes.insert(place, static_cast<uint8_t>(random.next())); break;
    case 1: bytes.erase(place, bytes.begin() + static_cast<ptrdiff_t>(std::min(bytes.size(), at + random.below(8)))); break;
    case 2: {
      const Bytes &other = corpus[random.below(corpus.size())];
      bytes.erase(place, bytes.end());
      bytes.insert(bytes.end(), other.begin() + static_cast<ptrdiff_t>(random.below(other.size() + 1)), other.end());
      break;
    }
    default:
      if (at < bytes.size())
        bytes[at] = static_cast<uint8_t>(random.chance(1, 2) ? random.next() : bytes[at] ^ 1u << random.below(8));
    }
  }
  bytes.resize(std::min(bytes.size(), kMostBytes));
  return bytes;
}

int main(int argc, char **argv)
{
  uint64_t seconds = 0, seed = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  std::vector<std::filesystem::path> places;
  for (int at = 1; at < argc; at++) {
    uint64_t *number = std::strcmp(argv[at], "--seconds") == 0 ? &seconds : std::strcmp(argv[at], "--seed") == 0 ? &seed : nullptr;
    if (!number)
      places.emplace_back(argv[at]);
    else if (++at < argc)
      *number = std::strtoull(argv[at], nullptr, 10);
  }
  std::vector<Bytes> corpus = read_corpus(places);
  if (corpus.empty()) {
    std::fprintf(stderr, "usage: %s [--seconds N] [--seed S] FILE_OR_FOLDER...\n", argv[0]);
    return 2;
  }
  std::printf("seed %llu; at the end of the process the last input is in %s.last\n", static_cast<unsigned long long>(seed), argv[0]);
  std::fflush(stdout);
  LastInput last(std::string(argv[0]) + ".last");
  for (const Bytes &bytes : corpus)
    run(bytes, last);
  httpsys::Random random(seed);
  uint64_t made = 0;
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (; std::chrono::steady_clock::now() < until; made++)
    run(mutate(corpus, random), last);
  last.remove();
  std::printf("%zu files, %llu inputs made of them with seed %llu\n", corpus.size(), static_cast<unsigned long long>(made),
              static_cast<unsigned long long>(seed));
  return 0;
}
