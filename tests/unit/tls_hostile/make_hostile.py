#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies a wolfSSL source file and makes its sender of CertificateVerify silent on clients: make_hostile.py SOURCE TARGET. The switch is
httpsys_hostile_silent (test_hostile_client.cpp)."""
import re
import sys

SENDER = re.compile(r"^(?:static )?int Send(?:Tls13)?CertificateVerify\(WOLFSSL\* ssl\)\n\{\n", re.MULTILINE)
SILENCE = "    if (httpsys_hostile_silent && ssl->options.side == WOLFSSL_CLIENT_END)\n        return 0;\n"


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        text = source.read()
    found = SENDER.findall(text)
    if len(found) != 1:
        sys.exit(f"{sys.argv[1]}: {len(found)} senders of CertificateVerify, expected one")
    with open(sys.argv[2], "w", encoding="utf-8") as target:
        target.write(SENDER.sub(lambda match: "extern int httpsys_hostile_silent;\n" + match.group() + SILENCE, text))


main()
