// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/tls/pki.h"
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>

namespace httpsys::tls::test {

static std::string folder()
{
  const char *path = getenv("HTTPSYS_TEST_PKI");
  REQUIRE_MESSAGE(path != nullptr, "HTTPSYS_TEST_PKI is not set: run the test through meson");
  return path;
}

std::string pki(const std::string &name)
{
  std::ifstream file(folder() + '/' + name, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<Der> pki_chain(const std::string &name)
{
  std::string reason;
  auto chain = certificates_from_pem(pki(name + ".pem"), reason);
  REQUIRE_MESSAGE(!chain.is_error(), reason);
  return chain.value();
}

Der pki_leaf(const std::string &name)
{
  return pki_chain(name).front();
}

ContextSettings pki_settings(const std::string &server)
{
  ContextSettings settings;
  settings.certificate_chain_pem = pki(server + ".pem");
  settings.private_key_pem = pki(server + ".key");
  settings.authorities_pem = pki("root.crt");
  settings.identity = "0.0.0.0:443";
  return settings;
}

RefPtr<TlsContext> make_context(const ContextSettings &settings)
{
  std::string reason;
  auto context = TlsContext::create(settings, reason);
  REQUIRE_MESSAGE(!context.is_error(), reason);
  return context.value();
}

std::string output_of(const std::string &command)
{
  FILE *pipe = popen(("cd '" + folder() + "' && timeout 20 " + command).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char buffer[512];
  while (size_t count = fread(buffer, 1, sizeof buffer, pipe))
    text.append(buffer, count);
  CHECK(pclose(pipe) == 0);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

}
