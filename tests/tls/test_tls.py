#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kernel/tls with real peers: openssl s_client, curl, gnutls-cli and Python's ssl (OpenSSL). The server is tls_echo_server."""
import re
import ssl
import time
import unittest

from peers import PATIENCE, Client, Gate, Server, context_for, curl, gnutls, pki, raw, s_client

VERSIONS = ("1.2", "1.3")

# What the server must say of each client: CertFlags, number of issuers sent, a part of the reason.
KINDS = {
    "good": ("00000000", 0, ""),
    "good_rsa": ("00000000", 0, ""),
    "good_ed25519": ("00000000", 0, ""),
    "chain4": ("00000000", 3, ""),
    "big": ("00000000", 0, ""),
    "selfsigned": ("800b0109", 0, "self-signed"),
    "untrusted": ("800b0109", 0, "no trusted CA"),
    "expired": ("800b0101", 0, "has expired"),
    "revoked": ("800b010c", 0, "is revoked"),
    "wrong": ("800b0110", 0, "client authentication"),
    "v1": ("800b010a", 0, "not an X.509 v3"),
    "mallory": ("80096004", 1, "is not its issuer's"),
}
# The chain's CA has no revocation list: with root.crl loaded the leaf of an intermediate cannot be checked.
WITHOUT_LISTS = {"chain4"}
ORIGIN = {"1.2": "renegotiation", "1.3": "post-handshake"}


def crl_for(kind):
    return None if kind in WITHOUT_LISTS else "root.crl"


def combinations(kinds=KINDS):
    return [(version, kind) for version in VERSIONS for kind in kinds]


class Verdicts(unittest.TestCase):
    def check(self, text, kind, origin):
        flags, issuers, reason = KINDS[kind]
        self.assertIn(f"certificate flags={flags} origin={origin} ", text)
        # OpenSSL adds the root when it finds it among the CAs that it trusts itself.
        sent = [name for name in re.findall("<(.*?)>", text.split("chain=")[1].split(" reason=")[0]) if "Test Root" not in name]
        self.assertEqual(len(sent), issuers, text)
        self.assertIn(reason, text)
        self.assertEqual("reason=<>" in text, flags == "00000000", text)

    def test_on_demand_python(self):
        for version, kind in combinations():
            with self.subTest(version=version, kind=kind), Server(crl=crl_for(kind)) as server, \
                    Client(server.port, version, kind) as client:
                self.assertEqual(client.ask("/known"), "nothing")
                self.check(client.ask("/whoami"), kind, ORIGIN[version])
                self.check(client.ask("/whoami"), kind, ORIGIN[version])
                self.assertEqual(client.ask("/echo afterwards"), "afterwards")

    def test_in_handshake_python(self):
        for version, kind in combinations():
            with self.subTest(version=version, kind=kind), Server("--ask", crl=crl_for(kind)) as server, \
                    Client(server.port, version, kind) as client:
                self.check(client.ask("/known"), kind, "handshake")
                self.check(client.ask("/whoami"), kind, "handshake")

    def test_on_demand_s_client(self):
        for version, kind in combinations(("good", "chain4", "selfsigned", "v1")):
            with self.subTest(version=version, kind=kind), Server(crl=crl_for(kind)) as server, \
                    s_client(server.port, version, "-enable_pha", cert=kind) as client:
                client.ask("/plain", "^plain")
                self.check(client.ask("/whoami", "flags="), kind, ORIGIN[version])
                self.check(client.ask("/whoami", "again .*flags="), kind, ORIGIN[version])

    def test_in_handshake_s_client(self):
        for version, kind in combinations(("good", "chain4", "selfsigned", "v1")):
            with self.subTest(version=version, kind=kind), Server("--ask", crl=crl_for(kind)) as server, \
                    s_client(server.port, version, cert=kind) as client:
                self.check(client.ask("/whoami", "flags="), kind, "handshake")

    def test_on_demand_gnutls(self):
        for version, kind in combinations(("good", "chain4", "selfsigned", "expired")):
            with self.subTest(version=version, kind=kind), Server(crl=crl_for(kind)) as server, \
                    gnutls(server.port, version, "--post-handshake-auth", cert=kind) as client:
                client.ask("/plain", "^plain")
                self.check(client.ask("/whoami", "flags="), kind, ORIGIN[version])
                self.check(client.ask("/whoami", "again .*flags="), kind, ORIGIN[version])
                client.ask("/echo afterwards", "^afterwards")

    def test_in_handshake_gnutls(self):
        for version, kind in combinations(("good", "chain4", "selfsigned")):
            with self.subTest(version=version, kind=kind), Server("--ask", crl=crl_for(kind)) as server, \
                    gnutls(server.port, version, cert=kind) as client:
                self.check(client.ask("/whoami", "flags="), kind, "handshake")

    def test_curl(self):
        for version, kind in combinations(("good", "chain4", "selfsigned")):
            for ask in (False, True):
                with self.subTest(version=version, kind=kind, ask=ask), \
                        Server(*(["--ask"] if ask else []), crl=crl_for(kind)) as server:
                    status, output = curl(server.port, version, "/plain", "/whoami", "/whoami", cert=kind)
                    self.assertEqual(status, 0, output)
                    plain, first, second = output.splitlines()
                    self.assertEqual(plain, "plain")
                    self.check(first, kind, "handshake" if ask else ORIGIN[version])
                    self.check(second, kind, "handshake" if ask else ORIGIN[version])
                    self.assertTrue(second.startswith("again "))

    def test_servers_with_other_keys(self):
        for version in VERSIONS:
            for cert in ("server_rsa", "server_p384", "server_p521", "server_ed25519"):
                with self.subTest(version=version, cert=cert), Server(cert=cert) as server:
                    if cert == "server_ed25519" and version == "1.2":
                        continue   # OpenSSL offers Ed25519 in TLS 1.2, wolfSSL's server has no suite for it then
                    with Client(server.port, version, "good") as client:
                        self.check(client.ask("/whoami"), "good", ORIGIN[version])


class NoCertificate(unittest.TestCase):
    def test_on_demand(self):
        for version in VERSIONS:
            with self.subTest(version=version, peer="python"), Server() as server, Client(server.port, version) as client:
                self.assertEqual(client.ask("/whoami"), "none: the client was asked and sent no certificate")
                self.assertEqual(client.ask("/whoami"), "absent: the client was asked and sent no certificate")
                self.assertEqual(client.ask("/echo afterwards"), "afterwards")
            with self.subTest(version=version, peer="s_client"), Server() as server, \
                    s_client(server.port, version, "-enable_pha") as client:
                client.ask("/whoami", "^none: the client was asked")
                client.ask("/whoami", "^absent: the client was asked")
            with self.subTest(version=version, peer="gnutls"), Server() as server, \
                    gnutls(server.port, version, "--post-handshake-auth") as client:
                client.ask("/whoami", "^none: the client was asked")
                client.ask("/echo afterwards", "^afterwards")
            with self.subTest(version=version, peer="curl"), Server() as server:
                status, output = curl(server.port, version, "/whoami", "/plain")
                self.assertEqual(status, 0, output)
                # curl offers post_handshake_auth only when it has a certificate.
                self.assertRegex(output, "^(none: the client was asked|cannot: the client speaks TLS 1.3)")
                self.assertTrue(output.endswith("plain\n"))

    def test_in_handshake(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server("--ask") as server, Client(server.port, version) as client:
                self.assertEqual(client.ask("/known"), "nothing")
                self.assertEqual(client.ask("/whoami"), "absent: the client was asked and sent no certificate")

    def test_refuses_to_renegotiate(self):
        with Server() as server, s_client(server.port, "1.2", "-no_renegotiation", cert="good") as client:
            client.ask("/plain", "^plain")
            client.ask("/whoami", "^none: the client refused to renegotiate")
            client.ask("/echo afterwards", "^afterwards")
            client.ask("/whoami", "^absent: the client refused to renegotiate")
            client.ask("/big 100000", "^x{100000}$")
            client.ask("/echo at last", "^at last")

    def test_tls13_without_post_handshake_auth(self):
        text = "cannot: the client speaks TLS 1.3 and did not offer post_handshake_auth"
        with Server() as server:
            with Client(server.port, "1.3", "good", pha=False) as client:
                self.assertEqual(client.ask("/whoami"), text)
                self.assertEqual(client.ask("/echo afterwards"), "afterwards")
                self.assertEqual(client.ask("/whoami"), text)
            with s_client(server.port, "1.3", cert="good") as client:
                client.ask("/whoami", "^" + text)
            with gnutls(server.port, "1.3", cert="good") as client:
                client.ask("/whoami", "^" + text)
                client.ask("/echo afterwards", "^afterwards")

    def test_tls12_without_renegotiation_info(self):
        with Server() as server, gnutls(server.port, "1.2", cert="good", priority=":%DISABLE_SAFE_RENEGOTIATION") as client:
            client.ask("/whoami", "^cannot: the client speaks TLS 1.2 and did not offer renegotiation_info")
            client.ask("/echo afterwards", "^afterwards")


class Limits(unittest.TestCase):
    def expect_end(self, server, version, kind, pattern, ask):
        try:
            with Client(server.port, version, kind) as client:
                client.ask("/whoami")
            self.fail("the connection went on")
        except (OSError, EOFError, ssl.SSLError):
            pass
        if not ask:
            server.lines.wait("^event failed " + pattern)
        server.lines.wait("^failed " + pattern + r".* \[sent \d+\] \[received -\]")

    def test_huge(self):
        for version in VERSIONS:
            for ask in (False, True):
                with self.subTest(version=version, ask=ask), Server(*(["--ask"] if ask else [])) as server:
                    pattern = r"the client's certificate list has 4\d{4} bytes, more than the 32768 of MaxClientCertificateBytes"
                    self.expect_end(server, version, "huge", pattern, ask)
                    with Client(server.port, version, "good") as client:
                        self.assertIn("flags=00000000", client.ask("/whoami"))

    def test_larger_than_any_message(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server:
                self.expect_end(server, version, "giant", "a handshake message of more than 131400 bytes; a client's certificate list may"
                                r" have 32768 \(MaxClientCertificateBytes\)", False)

    def test_set_lower_and_higher(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server("--limit", "300") as server:
                self.expect_end(server, version, "good", "the client's certificate list has .* more than the 300 of", False)
            with self.subTest(version=version), Server("--limit", "50000") as server, Client(server.port, version, "huge") as client:
                self.assertIn("flags=00000000", client.ask("/whoami"))


class OneForAll(unittest.TestCase):
    """What a client sends must not change what another one is told."""

    def test_forged_intermediate_is_not_remembered(self):
        for version in VERSIONS:
            for options in ((), ("--ask",)):
                with self.subTest(version=version, options=options), Server(*options, crl=None) as server:
                    for kind in ("mallory", "mallory_alone", "mallory"):
                        context = context_for(version)
                        context.load_cert_chain(pki(kind.replace("_alone", "") + (".crt" if "alone" in kind else ".pem")),
                                                pki("mallory.key"))
                        with Client(server.port, context=context) as client:
                            flags = "800b0109" if "alone" in kind else "80096004"
                            self.assertIn("flags=" + flags, client.ask("/whoami"))


class Resumption(unittest.TestCase):
    def resume(self, server, version, name="localhost", session=None, cert="good"):
        context = self.context = getattr(self, "context", None) or context_for(version, cert)
        client = Client(server.port, context=context, name=name, session=session)
        self.assertEqual(client.ask("/plain"), "plain")   # TLS 1.3: the ticket comes with the first data
        return client

    def test_a_resumed_connection_knows_no_certificate_and_can_be_asked(self):
        for version in VERSIONS:
            self.context = None
            with self.subTest(version=version), Server() as server:
                with self.resume(server, version) as first:
                    self.assertIn("flags=00000000", first.ask("/whoami"))
                    session = first.socket.session
                for _ in range(2):
                    with self.resume(server, version, session=session) as second:
                        self.assertTrue(second.socket.session_reused)
                        self.assertIn("resumed=1", second.ask("/facts"))
                        self.assertEqual(second.ask("/known"), "nothing")
                        self.assertIn("flags=00000000 origin=" + ORIGIN[version], second.ask("/whoami"))
                        self.assertEqual(second.ask("/echo afterwards"), "afterwards")

    def test_bindings_that_ask_give_no_tickets(self):
        for version in VERSIONS:
            self.context = None
            with self.subTest(version=version), Server("--ask") as server:
                with self.resume(server, version) as first:
                    session = first.socket.session
                    self.assertFalse(session and session.has_ticket)
                with self.resume(server, version, session=session) as second:
                    self.assertFalse(second.socket.session_reused)
                    self.assertIn("flags=00000000 origin=handshake", second.ask("/known"))

    def test_a_ticket_opens_no_other_binding(self):
        # Two processes would have two keys: one server, two bindings with the same certificate.
        for version in VERSIONS:
            self.context = context_for(version, "good")
            self.context.check_hostname = False
            with self.subTest(version=version), \
                    Server("--name", "open.test", pki("server.pem"), pki("server.key"), "--ask") as server:
                with self.resume(server, version, name="open.test") as first:
                    session = first.socket.session
                with self.resume(server, version, name="open.test", session=session) as again:
                    self.assertTrue(again.socket.session_reused)
                with self.resume(server, version, name="other.test", session=session) as second:
                    self.assertFalse(second.socket.session_reused)
                    self.assertIn("origin=handshake", second.ask("/known"))

    def test_three_hundred_times_with_the_newest_ticket(self):
        with Server() as server:
            session = None
            for turn in range(300):
                with self.resume(server, "1.3", session=session) as client:
                    self.assertEqual(client.socket.session_reused, turn > 0)
                    session = client.socket.session

    def test_s_client(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server:
                with s_client(server.port, version, "-sess_out", "session.pem", quiet=False) as client:
                    client.ask("/plain", "^plain")
                with s_client(server.port, version, "-sess_in", "session.pem", "-enable_pha", cert="good") as client:
                    client.ask("/facts", "resumed=1")
                    client.ask("/known", "^nothing")
                    client.ask("/whoami", "flags=00000000")


class Traffic(unittest.TestCase):
    def test_requests_around_the_exchange(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server, Client(server.port, version, "good") as client:
                client.send("/echo a\n/whoami\n/echo b\n/big 100000\n/whoami\n/echo c\n")
                self.assertEqual(client.line(), "a")
                self.assertIn("flags=00000000", client.line())
                self.assertEqual(client.line(), "b")
                self.assertEqual(client.line(), "x" * 100000)
                self.assertTrue(client.line().startswith("again certificate"))
                self.assertEqual(client.line(), "c")
            with self.subTest(version=version, peer="gnutls"), Server() as server, \
                    gnutls(server.port, version, "--post-handshake-auth", cert="good") as client:
                client.send("/echo a\n/big 100000\n/whoami\n/echo b\n/whoami\n/echo c\n")
                for pattern in ("^a$", "^x{100000}$", "^certificate flags=00000000", "^b$", "^again", "^c$"):
                    client.lines.wait(pattern)

    def test_ten_megabytes_of_body_while_the_certificate_is_awaited(self):
        body = b"b" * 10_000_000
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server, Client(server.port, version, "good") as client:
                client.socket.sendall(b"POST /whoami HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body + b"/echo afterwards\n")
                self.assertEqual(client.line(), "HTTP/1.1 200 OK\r")
                while "certificate" not in (line := client.line()):
                    pass
                self.assertIn("flags=00000000", line)
                self.assertEqual(client.line(), "afterwards")

    def test_a_client_that_never_answers(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server:
                with Client(server.port, version, "good") as client:
                    client.ask("/plain")
                    client.send("/whoami\n/echo more\n")
                    server.lines.none("event|failed", 0.5)
                    with Client(server.port, version, "good") as other:
                        self.assertIn("flags=00000000", other.ask("/whoami"))
                server.lines.wait("event certificate")
                server.lines.wait("event failed the client closed the connection instead of answering")

    def test_nobody_waits_for_the_answer(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server:
                gate = Gate(server.port)
                with Client(gate.port, version, "good") as client:
                    client.ask("/plain")
                    gate.close()
                    client.send("/ask\n/echo meanwhile\n")
                    gate.held.wait(PATIENCE)
                    gate.open()
                    self.assertEqual(client.line(), "started ")
                    self.assertEqual(client.line(), "meanwhile")
                    server.lines.wait("event certificate")
                    self.assertIn("again certificate flags=00000000", client.ask("/whoami"))

    def test_key_update_while_a_request_is_open(self):
        with Server() as server:
            gate = Gate(server.port)
            with s_client(gate.port, "1.3", "-enable_pha", cert="good", quiet=False) as client:
                client.ask("/plain", "^plain")
                client.ask("K", "KEYUPDATE")
                client.ask("/echo before", "^before")
                gate.close()
                client.send("/whoami\n")
                self.assertTrue(gate.held.wait(PATIENCE))
                before = gate.from_client
                client.ask("K", "KEYUPDATE")
                end = time.monotonic() + PATIENCE
                while gate.from_client == before and time.monotonic() < end:
                    time.sleep(0.01)
                gate.open()
                self.assertIn("flags=00000000", client.lines.wait("flags="))
                client.ask("K", "KEYUPDATE")
                client.ask("/echo afterwards", "^afterwards")

    def test_renegotiation_by_the_client(self):
        with Server() as server, s_client(server.port, "1.2", cert="good", quiet=False) as client:
            client.ask("/plain", "^plain")
            client.ask("R", "no renegotiation")
            server.lines.none("event", 0.2)
        with Server() as server, s_client(server.port, "1.2", cert="good", quiet=False) as client:
            client.ask("/whoami", "flags=00000000")
            client.ask("R", "no renegotiation")

    def test_large_answers(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server, Client(server.port, version) as client:
                self.assertEqual(len(client.ask("/big 8000000")), 8000000)


class Handshake(unittest.TestCase):
    def test_names(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server("--name", "www.example.test", pki("named.pem"), pki("named.key")) as server:
                with Client(server.port, version, name="www.example.test") as client:
                    self.assertIn("sni=www.example.test", client.ask("/facts"))
                with Client(server.port, version, name="localhost") as client:
                    self.assertIn("sni=localhost", client.ask("/facts"))

    def test_unknown_name(self):
        for version in VERSIONS:
            with self.subTest(version=version), \
                    Server("--name", "www.example.test", pki("named.pem"), pki("named.key"), "--no-default") as server:
                with self.assertRaisesRegex(ssl.SSLError, "UNRECOGNIZED_NAME"):
                    Client(server.port, version, name="localhost")
                server.lines.wait(r"^failed no TLS record serves this address and name \[sent 112\]")
                with Client(server.port, version, name="www.example.test") as client:
                    self.assertEqual(client.ask("/plain"), "plain")

    def test_alpn(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server:
                for offer, answer in ((["h2", "http/1.1"], "http/1.1"), (["http/1.0"], "http/1.0"), (None, "")):
                    with Client(server.port, version, alpn=offer) as client:
                        self.assertIn(f"alpn={answer} ", client.ask("/facts"))
                with self.assertRaisesRegex(ssl.SSLError, "no application protocol"):
                    Client(server.port, version, alpn=["h2"])
                with Client(server.port, version, "good", alpn=["http/1.1"]) as client:   # and asked on demand
                    self.assertIn("flags=00000000", client.ask("/whoami"))
                    self.assertIn("alpn=http/1.1 ", client.ask("/facts"))

    def test_stapling_is_asked_for(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server() as server, \
                    s_client(server.port, version, "-status", "-enable_pha", "-alpn", "http/1.1", cert="good") as client:
                client.ask("/plain", "^plain")
                client.ask("/whoami", "flags=00000000")

    def test_token(self):
        with Server() as server, Client(server.port, "1.3") as first, Client(server.port, "1.2") as second:
            token = first.ask("/token")
            self.assertEqual(len(token), 170)
            self.assertEqual(second.ask("/token"), token)

    def test_versions(self):
        with Server() as server:
            for version in ("1", "1.1"):
                with s_client(server.port, version, "-cipher", "ALL:@SECLEVEL=0") as client:
                    client.lines.wait("alert protocol version|alert number 70")
                server.lines.wait(r"^failed .*\[sent 70\]")
        with Server("--no-tls13") as server:
            with self.assertRaisesRegex(ssl.SSLError, "protocol version"):
                Client(server.port, "1.3")
            server.lines.wait(r"^failed the client speaks TLS 1.3 only, which is disabled here \[sent 70\]")
            context = context_for("1.2", "good")
            context.maximum_version = ssl.TLSVersion.TLSv1_3
            with Client(server.port, context=context) as client:
                self.assertEqual(client.socket.version(), "TLSv1.2")
                self.assertIn("origin=renegotiation", client.ask("/whoami"))

    def test_second_hello(self):
        with Server() as server, s_client(server.port, "1.3", "-groups", "ffdhe2048:P-384", "-enable_pha", cert="good") as client:
            client.ask("/facts", "group=SECP384R1")
            client.ask("/whoami", "flags=00000000")
        with Server() as server, s_client(server.port, "1.3", "-groups", "ffdhe2048") as client:
            client.lines.wait("handshake failure")
            server.lines.wait(r"^failed no key exchange group in common \[sent 40\]")

    def test_without_middlebox_mode(self):
        with Server() as server, s_client(server.port, "1.3", "-no_middlebox", "-enable_pha", cert="good") as client:
            client.ask("/whoami", "flags=00000000")

    def test_what_is_no_tls(self):
        with Server() as server:
            self.assertEqual(raw(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").hex(), "1503030002020a")
            server.lines.wait(r"^failed plain HTTP on a TLS port \[sent 10\]")
            self.assertEqual(raw(server.port, bytes(range(200, 256)) * 10).hex(), "1503030002020a")
            self.assertEqual(raw(server.port, b"\x80\x2e\x01\x03\x01" + bytes(43)).hex(), "15030300020246")
            self.assertEqual(raw(server.port, b"\x16\x03\x01\x00\x05hello").hex(), "1503030002020a")

    def test_a_client_that_does_not_trust_us(self):
        for version in VERSIONS:
            with self.subTest(version=version), Server(cert="server") as server:
                context = context_for(version)
                empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                empty.minimum_version = empty.maximum_version = context.maximum_version
                with self.assertRaises(ssl.SSLError):
                    Client(server.port, context=empty)
                server.lines.wait(r"^failed the client (refused with the alert|could not read our answer).*unknown_ca")


if __name__ == "__main__":
    unittest.main(verbosity=2)
