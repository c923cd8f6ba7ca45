// SPDX-License-Identifier: GPL-3.0-or-later
// A folder of a test's own below the system's folder for temporary files; gone with everything in it when the object ends.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

class TemporaryFolder {
public:
  TemporaryFolder()
  {
    std::string name = (std::filesystem::temp_directory_path() / "httpsys-test-XXXXXX").string();
    if (!mkdtemp(name.data()))
      throw std::runtime_error("mkdtemp failed");
    m_path = name;
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder()
  {
    std::error_code ignored;
    std::filesystem::remove_all(m_path, ignored);
  }
  const std::string &path() const { return m_path; }
  std::string operator/(const std::string &name) const { return m_path + '/' + name; }

private:
  std::string m_path;
};

inline void put_file(const std::string &path, const std::string &contents)
{
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << contents;
  file.close();
  if (!file)
    throw std::runtime_error("cannot write " + path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

inline std::string get_file(const std::string &path)
{
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
