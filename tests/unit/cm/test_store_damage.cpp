// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernel/base/text.h"
#include "tests/unit/cm/store_fixture.h"
#include <csignal>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace httpsys;
using namespace httpsys::cm;
using namespace httpsys::cm::test;
using tls::test::pki;

namespace {

mode_t mode_of(const std::string &path)
{
  struct stat status;
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

// A store with one of each, and the names of the files.
struct Full : Fixture {
  std::string server = import_server("server"), named = import_server("named");
  std::string root = good("import ca certfile=a", {{"certfile", pki("root.crt")}}).substr(0, 40);
  std::string list = good("import crl crlfile=a", {{"crlfile", pki("root.crl")}}).substr(0, 40);
  std::string certificate_file = "certificates/" + server + ".pem", authority_file = "authorities/" + root + ".pem",
              list_file = "revocations/" + list + ".pem", record_file = "sslcert/0.0.0.0:443";

  Full()
  {
    good("add sslcert ipport=0.0.0.0:443 certhash=" + server + " appid=" + kGuid);
    good("add sslcert ipport=127.0.0.1:444 certhash=" + named + " appid=" + kGuid);
  }
};

}

TEST_CASE("only the daemon can read its files")
{
  Full full;
  CHECK(mode_of(full.path("")) == 0700);
  for (const char *folder : {"certificates", "authorities", "revocations", "sslcert"}) {
    CHECK(mode_of(full.path(folder)) == 0700);
    for (const std::string &file : full.files(folder))
      CHECK(mode_of(full.path(std::string(folder) + '/' + file)) == 0600);
  }
  CHECK(full.files("certificates").size() == 2);
  // Nowhere else than in the certificate's own file is a key.
  for (const std::string &file : {full.authority_file, full.list_file, full.record_file})
    CHECK(get_file(full.path(file)).find("PRIVATE") == std::string::npos);
  CHECK(get_file(full.path(full.certificate_file)).find("PRIVATE KEY") != std::string::npos);
  CHECK(full.all_lists().find("PRIVATE") == std::string::npos);
}

TEST_CASE("a damaged file is logged and left alone, and the rest works")
{
  for (std::string Full::*file :
       {&Full::certificate_file, &Full::authority_file, &Full::list_file, &Full::record_file}) {
    for (const char *damage : {"empty", "half", "zeros", "garbage", "of others"}) {
      Full full;
      std::string path = full.path(full.*file), contents = get_file(path);
      std::string damaged = contents;
      std::string kind = damage;
      if (kind == "empty")
        damaged = "";
      else if (kind == "half")
        damaged = contents.substr(0, contents.size() / 2);
      else if (kind == "zeros")
        damaged = std::string(contents.size(), '\0');
      else if (kind == "garbage")
        damaged = "\xff\xfe garbage\n";
      put_file(path, damaged);
      if (kind == "of others")
        chmod(path.c_str(), 0666);
      CAPTURE(path);
      CAPTURE(kind);
      full.restart();
      CHECK(full.log().find("httpsysd: " + httpsys::quoted(path) + " is not used: ") != std::string::npos);
      CHECK(get_file(path) == damaged);
      // The other record serves, whatever it was.
      CHECK(full.find("127.0.0.1:444"));
      CHECK(!full.find("0.0.0.0:443") == (file == &Full::certificate_file || file == &Full::record_file));
      full.restart();
      CHECK(get_file(path) == damaged);
    }
  }
}

TEST_CASE("the command that makes a damaged file anew keeps the damaged one")
{
  Full full;
  for (const std::string &file : {full.certificate_file, full.authority_file, full.list_file, full.record_file})
    put_file(full.path(file), "damaged");
  full.restart();
  CHECK(!full.find("0.0.0.0:443"));
  CHECK(full.bad("update sslcert ipport=0.0.0.0:443 disabletls13=enable").text.find("sets its file") !=
        std::string::npos);
  CHECK(full.bad("show sslcert ipport=0.0.0.0:443").win32_code == win32::kFileNotFound);

  full.import_server("server");
  full.good("import ca certfile=a", {{"certfile", pki("root.crt")}});
  full.good("import crl crlfile=a", {{"crlfile", pki("root.crl")}});
  full.good("add sslcert ipport=0.0.0.0:443 certhash=" + full.server + " appid=" + kGuid);
  REQUIRE(full.find("0.0.0.0:443"));
  CHECK(full.judge("revoked") == tls::cert_flags::kRevoked);
  for (const std::string &file : {full.certificate_file, full.authority_file, full.list_file, full.record_file}) {
    CHECK(get_file(full.path(file + ".damaged")) == "damaged");
    CHECK(full.log().find(httpsys::quoted(full.path(file)) + " was not usable and is called ") != std::string::npos);
  }
  // And again, without a word about those that were set aside.
  full.restart();
  CHECK(full.log().empty());
  CHECK(full.find("0.0.0.0:443"));
}

TEST_CASE("a damaged file can be deleted by its name, and is kept under another")
{
  Full full;
  full.good("delete sslcert ipport=0.0.0.0:443");
  put_file(full.path(full.certificate_file), "damaged");
  put_file(full.path(full.authority_file), "damaged");
  put_file(full.path(full.list_file), "damaged");
  put_file(full.path("sslcert/[::]:1"), "damaged");
  full.restart();
  full.good("delete cert certhash=" + full.server);
  full.good("delete crl crlhash=" + full.list);
  full.good("delete ca certhash=" + full.root);
  full.good("delete sslcert ipport=[::]:1");
  for (const std::string &file :
       {full.certificate_file, full.authority_file, full.list_file, std::string("sslcert/[::]:1")})
    CHECK(get_file(full.path(file + ".damaged")) == "damaged");
  CHECK(full.bad("delete cert certhash=" + full.server).win32_code == win32::kFileNotFound);
}

TEST_CASE("a file under a wrong name is damage, not another entry")
{
  Full full;
  std::filesystem::rename(full.path(full.certificate_file), full.path("certificates/" + std::string(40, '0') + ".pem"));
  std::filesystem::copy_file(full.path(full.record_file), full.path("sslcert/0.0.0.0:445"));
  put_file(full.path("authorities/notes"), "x");
  full.restart();
  CHECK(full.log().find("not what its name says") != std::string::npos);
  CHECK(full.log().find(httpsys::quoted(full.path("authorities/notes")) + " is no file of httpsysd's and is ignored") !=
        std::string::npos);
  CHECK(full.log().find("sslcert 0.0.0.0:443 does not serve: its certificate " + full.server + " is not imported") !=
        std::string::npos);
  CHECK(!full.find("0.0.0.0:445"));
  // The record still names its certificate: importing that one makes it serve at once.
  full.import_server("server");
  CHECK(full.find("0.0.0.0:443"));
}

TEST_CASE("a record of a newer daemon is not guessed at")
{
  Full full;
  std::string contents = get_file(full.path(full.record_file));
  put_file(full.path(full.record_file), contents.replace(contents.find(" 1\n"), 3, " 2\n"));
  full.restart();
  CHECK(full.log().find("it has format \"2\", this httpsysd knows format 1") != std::string::npos);
}

TEST_CASE("a command that the disk refuses changes nothing")
{
  Full full;
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit tight{20, before.rlim_max};
  std::string lists = full.all_lists();
  RefPtr<tls::BindingTable> table = full.store().bindings();
  struct Row {
    std::string line;
    std::map<std::string, std::string> files;
  };
  for (const Row &row : {Row{"import cert certfile=a keyfile=b",
                             {{"certfile", pki("server_rsa.pem")}, {"keyfile", pki("server_rsa.key")}}},
                         Row{"import ca certfile=a", {{"certfile", pki("other.crt")}}},
                         Row{"add sslcert ipport=[::]:443 certhash=" + full.server + " appid=" + kGuid, {}},
                         Row{"update sslcert ipport=0.0.0.0:443 disabletls13=enable", {}}}) {
    setrlimit(RLIMIT_FSIZE, &tight);
    AdminAnswer answer = full.run(row.line, row.files);
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK(answer.exit_code == kExitRefused);
    CHECK(answer.win32_code == win32::kWriteFault);
    CHECK(answer.text.find("File too large; nothing was changed") != answer.text.npos);
    CHECK(full.all_lists() == lists);
    CHECK(full.store().bindings() == table);
  }
  full.restart();
  CHECK(full.all_lists() == lists);
}

TEST_CASE("of several files all are written or none")
{
  Fixture fixture;
  fixture.good("import ca certfile=a", {{"certfile", pki("root.crt")}});
  std::string lists = fixture.all_lists();
  // The second in order of names cannot be written: a folder is in its place.
  std::vector<std::string> names = {tls::certificate_thumbprint(tls::test::pki_leaf("other")),
                                    tls::certificate_thumbprint(tls::test::pki_leaf("oldroot"))};
  std::sort(names.begin(), names.end());
  std::filesystem::create_directory(fixture.path("authorities/" + names[1] + ".pem"));
  AdminAnswer answer = fixture.bad("import ca certfile=a", {{"certfile", pki("other.crt") + pki("oldroot.crt")}});
  CHECK(answer.win32_code == win32::kWriteFault);
  CHECK(!std::filesystem::exists(fixture.path("authorities/" + names[0] + ".pem")));
  CHECK(fixture.all_lists() == lists);
}

TEST_CASE("a binding that works is not broken by another command")
{
  Full full;
  RefPtr<tls::BindingTable> table = full.store().bindings();
  put_file(full.path(full.certificate_file), "damaged behind the daemon's back");
  AdminAnswer answer = full.bad("import ca certfile=a", {{"certfile", pki("other.crt")}});
  CHECK(answer.text.starts_with("the binding 0.0.0.0:443 would not work: "));
  CHECK(full.store().bindings() == table);
  CHECK(full.files("authorities").size() == 1);
}

TEST_CASE("a folder belongs to one daemon")
{
  Fixture fixture;
  Store second{Config{}};
  std::string reason;
  CHECK(second.load(fixture.path(""), reason).error() == NtStatus::SharingViolation);
  CHECK(reason.find("another httpsysd uses the state folder") != reason.npos);
  put_file(fixture.path("file"), "");
  CHECK(Store(Config{}).load(fixture.path("file"), reason).is_error());
}
