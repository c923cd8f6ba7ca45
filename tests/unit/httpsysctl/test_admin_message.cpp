// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/httpsysctl/admin_reader.h"
#include "tests/unit/temporary_folder.h"
#include "tools/httpsysctl/admin_message.h"
#include <doctest/doctest.h>
#include <unistd.h>

using namespace httpsys::ctl;
using namespace httpsys::ctl::test;

TEST_CASE("a message carries words and files as uapi/control.h says")
{
  TemporaryFolder folder;
  put_file(folder / "a", "certificate");
  put_file(folder / "b", std::string("k\0y", 3));
  Failure failure;
  AdminMessage message;
  REQUIRE(message.add_words({"import", "cert", "certfile=a b", ""}, failure));
  REQUIRE(message.add_file("certfile", folder / "a", failure));
  REQUIRE(message.add_file("keyfile", folder / "b", failure));
  AdminMessage same;
  REQUIRE(same.add_words({"import", "cert", "certfile=a b", ""}, failure));
  REQUIRE(same.add_contents("certfile", "certificate"));
  REQUIRE(same.add_contents("keyfile", std::string("k\0y", 3)));
  CHECK(same.finish(7) == message.finish(7));
  std::string_view bytes = message.finish(7);

  hsys_control_admin head;
  REQUIRE(bytes.size() >= sizeof head);
  memcpy(&head, bytes.data(), sizeof head);
  CHECK(head.head.magic == HSYS_CONTROL_MAGIC);
  CHECK(head.head.type == HSYS_CONTROL_ADMIN);
  CHECK(head.head.size == bytes.size());
  CHECK(head.head.sequence == 7);
  CHECK(head.head.status == 0);
  CHECK(head.head.reserved0 == 0);
  CHECK(head.head.reserved1 == 0);
  CHECK(head.word_count == 4);
  CHECK(head.file_count == 2);
  auto command = read_admin(bytes);
  REQUIRE(command);
  CHECK(command->words == std::vector<std::string>{"import", "cert", "certfile=a b", ""});
  CHECK(command->files.at("certfile") == "certificate");
  CHECK(std::string_view(command->files.at("keyfile")) == std::string_view("k\0y", 3));
}

TEST_CASE("a message is filled to its last byte and not beyond")
{
  TemporaryFolder folder;
  Failure failure;
  size_t room = HSYS_ADMIN_MESSAGE_MAX - sizeof(hsys_control_admin) - (4 + 6) - (4 + 8) - 4;
  for (size_t length : {size_t{0}, room - 1, room, room + 1, room + 2, size_t{1 << 20}}) {
    put_file(folder / "x", std::string(length, 'x'));
    AdminMessage message;
    REQUIRE(message.add_words({"import"}, failure));
    CHECK(message.add_file("certfile", folder / "x", failure) == (length <= room));
    AdminMessage same;
    REQUIRE(same.add_words({"import"}, failure));
    CHECK(same.add_contents("certfile", std::string(length, 'x')) == (length <= room));
    if (length > room) {
      CHECK(failure.exit_code == kExitRefused);
      CHECK(failure.sentence == "certfile \"" + (folder / "x") +
                                    "\" is too long: a command with its files has at most 65536 bytes, so import"
                                    " a large file in parts");
      continue;
    }
    auto command = read_admin(message.finish(1));
    REQUIRE(command);
    CHECK(command->files.at("certfile").size() == length);
  }
  AdminMessage full;
  put_file(folder / "x", std::string(room, 'x'));
  REQUIRE(full.add_words({"import"}, failure));
  REQUIRE(full.add_file("certfile", folder / "x", failure));
  CHECK(!full.add_file("keyfile", folder / "x", failure));
}

TEST_CASE("words are bounded")
{
  Failure failure;
  CHECK(AdminMessage().add_words(std::vector<std::string>(32, "w"), failure));
  CHECK(!AdminMessage().add_words(std::vector<std::string>(33, "w"), failure));
  CHECK(failure.sentence == "33 words were given, 32 at most are possible");
  CHECK(!AdminMessage().add_words({std::string(70000, 'w')}, failure));
  CHECK(failure.exit_code == kExitRefused);
  CHECK(failure.sentence.find("is too long") != std::string::npos);
}

TEST_CASE("a file that cannot be read is named")
{
  TemporaryFolder folder;
  Failure failure;
  CHECK(!AdminMessage().add_file("keyfile", folder / "none", failure));
  CHECK(failure.exit_code == kExitRefused);
  CHECK(failure.sentence == "cannot read keyfile \"" + (folder / "none") + "\": No such file or directory");
  CHECK(!AdminMessage().add_file("keyfile", folder.path(), failure));
  CHECK(failure.sentence == "cannot read keyfile \"" + folder.path() + "\": Is a directory");
}

TEST_CASE("a pipe is as good as a file")
{
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  REQUIRE(write(ends[1], "key", 3) == 3);
  close(ends[1]);
  Failure failure;
  AdminMessage message;
  CHECK(message.add_file("keyfile", "/dev/fd/" + std::to_string(ends[0]), failure));
  close(ends[0]);
  CHECK(read_admin(message.finish(1))->files.at("keyfile") == "key");
}
