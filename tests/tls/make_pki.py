#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the certificates that the TLS tests use: make_pki.py DIRECTORY STAMP. Each NAME.pem holds a leaf and the issuers that its owner
sends, NAME.key its key, NAME.chain the issuers alone. Times are relative to the day of the build. Needs openssl only; about a second."""
import datetime
import os
import pathlib
import shutil
import subprocess
import sys

CONFIG = """
[ca]
default_ca = d
[d]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
default_md = sha256
policy = p
unique_subject = no
copy_extensions = none
[p]
organizationName = optional
commonName = supplied
emailAddress = optional
[req]
distinguished_name = n
[n]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[sub]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[short]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[limited]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical,permitted;email:inside.test
[hosts]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical,permitted;DNS:inside.test
[web]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
extendedKeyUsage = serverAuth
[inside]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
subjectAltName = email:alice@inside.test
[outside]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
subjectAltName = email:mallory@outside.test
[noid]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = none
[server]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
[named]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:www.example.test
[client]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[noski]
basicConstraints = CA:FALSE
subjectKeyIdentifier = none
authorityKeyIdentifier = none
extendedKeyUsage = clientAuth
[wrong]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
[keyenc]
basicConstraints = CA:FALSE
keyUsage = critical,keyEncipherment
extendedKeyUsage = clientAuth
"""


def run(*args):
    result = subprocess.run(["openssl", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    if result.returncode != 0:
        sys.exit("openssl " + " ".join(args) + ":\n" + result.stdout.decode(errors="replace"))


def key(name, kind="P-256"):
    if kind.startswith("P-"):
        run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + kind, "-out", name + ".key")
    elif kind.startswith("rsa"):
        run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:" + kind[3:], "-out", name + ".key")
    else:
        run("genpkey", "-algorithm", kind, "-out", name + ".key")


def stamp(days):
    return (datetime.datetime.utcnow() + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def issue(name, issuer, extensions, subject=None, kind="P-256", first=-1, last=3650, chain=(), make_key=True, digest="sha256"):
    """A certificate by issuer (None: by itself); chain names the certificates that its owner sends after it."""
    if make_key:
        key(name, kind)
    run("req", "-new", "-utf8", "-config", "ca.cnf", "-key", name + ".key", "-out", name + ".csr", "-subj",
        subject or f"/O=httpsys tests/CN={name}")
    signer = ["-selfsign", "-keyfile", name + ".key"] if issuer is None else ["-cert", issuer + ".crt", "-keyfile", issuer + ".key"]
    sign_digest = [] if kind == "ed25519" and issuer is None else ["-md", digest]
    run("ca", "-batch", "-notext", "-config", "ca.cnf", *signer, *sign_digest, "-in", name + ".csr", "-out", name + ".crt",
        "-extensions", extensions, "-startdate", stamp(first), "-enddate", stamp(last))
    bundle(name, chain)


def bundle(name, chain):
    issuers = "".join(pathlib.Path(other + ".crt").read_text() for other in chain)
    pathlib.Path(name + ".pem").write_text(pathlib.Path(name + ".crt").read_text() + issuers)
    if issuers:
        pathlib.Path(name + ".chain").write_text(issuers)


def authorities():
    issue("root", None, "root", subject="/O=httpsys tests/CN=Test Root", last=36500)
    issue("other", None, "root", subject="/O=somebody else/CN=Other Root", last=36500)
    issue("forged", None, "root", subject="/O=httpsys tests/CN=Test Root", last=36500)  # the root's name, another key
    issue("oldroot", None, "root", subject="/O=httpsys tests/CN=Old Root", first=-20, last=-1)
    issue("first", "root", "sub")
    issue("second", "first", "sub")
    issue("third", "second", "sub")
    issue("stale", "root", "sub", first=-20, last=-1)
    issue("short", "root", "short")
    issue("below", "short", "sub")
    # A CA that may have no CAs below gives itself another key, and that signs one.
    issue("short_again", "short", "sub", subject="/O=httpsys tests/CN=short")
    issue("sneaky", "short_again", "sub")
    issue("limited", "root", "limited")
    issue("sublimited", "limited", "sub")  # repeats nothing of what limits its issuer
    issue("hosts", "root", "hosts")
    issue("subhosts", "hosts", "sub")
    issue("web", "root", "web")
    issue("gone", "root", "sub")
    issue("first_old", "root", "sub", subject="/O=httpsys tests/CN=first")  # the first one's name, its former key
    # An intermediate that claims to be the root's but is signed by a stranger, without the key identifier that would tell.
    issue("planted", "forged", "noid")


def servers():
    issue("server", "root", "server", subject="/O=httpsys tests/CN=localhost")
    issue("server_rsa", "root", "server", subject="/O=httpsys tests/CN=localhost", kind="rsa2048")
    issue("server_p384", "root", "server", subject="/O=httpsys tests/CN=localhost", digest="sha384")
    issue("server_p521", "root", "server", subject="/O=httpsys tests/CN=localhost", digest="sha512")
    issue("server_sha224", "root", "server", subject="/O=httpsys tests/CN=localhost", digest="sha224")
    issue("server_sha1", "root", "server", subject="/O=httpsys tests/CN=localhost", digest="sha1")
    issue("server_old", "root", "server", subject="/O=httpsys tests/CN=localhost", first=-20, last=-1)
    issue("server_pss", "root", "server", subject="/O=httpsys tests/CN=localhost", kind="RSA-PSS")
    issue("server_weak", "root", "server", subject="/O=httpsys tests/CN=localhost", kind="rsa1024")
    issue("server_chain", "first", "server", subject="/O=httpsys tests/CN=localhost", chain=["first"])
    issue("server_ed25519", "root", "server", subject="/O=httpsys tests/CN=localhost", kind="ed25519")
    issue("named", "root", "named", subject="/O=httpsys tests/CN=www.example.test")
    run("pkey", "-in", "server.key", "-aes256", "-passout", "pass:x", "-out", "server_encrypted.key")


def clients():
    issue("good", "root", "client", subject="/O=httpsys tests/CN=alice/emailAddress=alice@example.test")
    issue("good_rsa", "root", "client", kind="rsa2048")
    issue("good_ed25519", "root", "client", kind="ed25519")
    issue("noski", "root", "noski")
    issue("selfsigned", None, "client")
    issue("untrusted", "other", "client")
    issue("hostile", "other", "client", subject='/O=\u202eeno/CN=a", the issuer of the certificate "b\n\x1b[2J')
    issue("expired", "root", "client", first=-20, last=-1)
    issue("notyet", "root", "client", first=3650, last=3660)
    issue("revoked", "root", "client")
    issue("wrong", "root", "wrong")
    issue("keyenc", "root", "keyenc")
    issue("weak", "root", "client", kind="rsa1024")
    issue("chain4", "third", "client", chain=["third", "second", "first"])
    issue("shuffled", "third", "client", chain=["first", "third", "second"])
    issue("gap", "third", "client", chain=["third", "first"])
    issue("staleleaf", "stale", "client", chain=["stale"])
    issue("toolong", "below", "client", chain=["below", "short"])
    issue("sneaked", "sneaky", "client", chain=["sneaky", "short_again", "short"])
    issue("rekeyed", "short_again", "client", chain=["short_again", "short"])
    issue("leafissuer", "good", "client", chain=["good"])  # signed by a certificate that is no CA
    issue("inside", "sublimited", "inside", chain=["sublimited", "limited"])
    issue("outside", "sublimited", "outside", chain=["sublimited", "limited"])
    issue("directly", "limited", "outside", chain=["limited"])
    for number, issuers in enumerate((["hosts"], ["subhosts", "hosts"])):
        issue(f"person{number}", issuers[0], "client", chain=issuers)  # no host, whatever the constraint on hosts says
        issue(f"host{number}", issuers[0], "client", subject="/O=httpsys tests/CN=www.outside.test", chain=issuers)
        issue(f"own_host{number}", issuers[0], "client", subject="/O=httpsys tests/CN=www.inside.test", chain=issuers)
        issue(f"old_person{number}", issuers[0], "client", chain=issuers, first=-20, last=-1)
    issue("webclient", "web", "client", chain=["web"])
    issue("orphan", "gone", "client", chain=["gone"])
    issue("rolled", "first", "client", chain=["first"])
    issue("namesake", "forged", "client")
    issue("mallory", "planted", "client", chain=["planted"])
    issue("oldrooted", "oldroot", "client")
    key("v1")
    run("req", "-new", "-config", "ca.cnf", "-key", "v1.key", "-out", "v1.csr", "-subj", "/O=httpsys tests/CN=v1")
    run("x509", "-req", "-in", "v1.csr", "-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial", "-days", "3650", "-out", "v1.crt")
    bundle("v1", [])
    for name, size in (("big", 20000), ("huge", 40000), ("giant", 140000)):
        with open("ca.cnf", "a", encoding="ascii") as config:
            config.write(f"\n[{name}]\nextendedKeyUsage = clientAuth\n1.3.6.1.4.1.32473.1 = DER:04:83:" +
                         f"{size:06x}" + "61" * size + "\n")
        issue(name, "root", name)


def main():
    stamp_file = pathlib.Path(sys.argv[2]).absolute()
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    os.makedirs(sys.argv[1])
    os.chdir(sys.argv[1])
    pathlib.Path("ca.cnf").write_text(CONFIG, encoding="ascii")
    pathlib.Path("index.txt").touch()
    pathlib.Path("serial").write_text("1000\n", encoding="ascii")
    pathlib.Path("crlnumber").write_text("01\n", encoding="ascii")
    authorities()
    servers()
    clients()
    ca = ["ca", "-batch", "-config", "ca.cnf", "-cert", "root.crt", "-keyfile", "root.key", "-md", "sha256"]
    run(*ca, "-revoke", "revoked.crt")
    run(*ca, "-revoke", "gone.crt")
    run(*ca, "-gencrl", "-crldays", "3650", "-out", "root.crl")
    run(*ca, "-gencrl", "-crl_lastupdate", stamp(-20), "-crl_nextupdate", stamp(-1), "-out", "stale.crl")
    for other in ("forged", "other"):
        run("ca", "-batch", "-config", "ca.cnf", "-cert", other + ".crt", "-keyfile", other + ".key", "-md", "sha256", "-gencrl",
            "-crldays", "3650", "-out", other + ".crl")
    stamp_file.touch()


main()
