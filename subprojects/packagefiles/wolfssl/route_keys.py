#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies wolfSSL's internal.c and lets the server's own parsed key, of all that AllocKey makes, have the type of a private
key: route_keys.py SOURCE TARGET. The library gives it the type of a peer's public key, of which clients make as many as they like."""
import sys

ALL = "*pKey = (void *)XMALLOC(sz, ssl->heap, type);"
OWN = "*pKey = (void *)XMALLOC(sz, ssl->heap, pKey == &ssl->hsKey ? DYNAMIC_TYPE_KEY : type);"


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        text = source.read()
    if text.count(ALL) != 1:
        sys.exit(f"{sys.argv[1]}: {text.count(ALL)} places where a key is allocated, expected one")
    with open(sys.argv[2], "w", encoding="utf-8") as target:
        target.write(text.replace(ALL, OWN))


main()
