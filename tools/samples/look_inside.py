#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Looks into a process: which sockets it holds, and whether a private key's bytes are anywhere in its memory.
Usage: look_inside.py PID KEY.pem; exit 1 if it has a network socket or the key."""
import base64
import os
import re
import subprocess
import sys


def network_sockets(pid):
    inodes = {"tcp": set(), "udp": set()}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as lines:
            inodes[table[:3]].update(line.split()[9] for line in list(lines)[1:])
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
        match = re.fullmatch(r"socket:\[(\d+)\]", target)
        if match and match.group(1) in inodes["tcp"] | inodes["udp"]:
            found.append(name)
    return found


def memory(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, flags = line.split()[:2]
            if "r" not in flags or "[vvar" in line or "[vsyscall" in line:
                continue
            begin, end = (int(x, 16) for x in span.split("-"))
            try:
                mem.seek(begin)
                yield mem.read(end - begin)
            except (OSError, ValueError, OverflowError):
                continue


def private_numbers(key_file):
    """By name: the scalar of an elliptic curve's key, or exponent and primes of an RSA key."""
    text = subprocess.run(["openssl", "pkey", "-in", key_file, "-noout", "-text"], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"(priv|privateExponent|prime1|prime2):\s*((?:[0-9a-f]{2}[:\s]*)+)", text)
    return {name: bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits)).lstrip(b"\0") for name, digits in found}


def private_scalar(key_file):
    return private_numbers(key_file)["priv"]


def main():
    pid, key_file = sys.argv[1:]
    sockets = network_sockets(pid)
    print(f"   network sockets of pid {pid}: {', '.join(sockets) or 'none'}")
    scalar = private_scalar(key_file)
    with open(key_file, "rb") as pem:
        body = base64.b64encode(base64.b64decode(b"".join(x for x in pem.read().split(b"\n") if b"-" not in x)))[:60]
    control = b"asks for your certificate"  # a text of the program's own: shows that the search finds what is there
    parts = list(memory(pid))
    has_key = any(scalar in part or body in part for part in parts)
    has_control = any(control in part for part in parts)
    size = sum(map(len, parts)) / 1048576
    print(f"   private key in its {size:.0f} MiB of memory: {'FOUND' if has_key else 'no'}"
          f" (a text of its own is found: {'yes' if has_control else 'NO'})")
    sys.exit(1 if sockets or has_key or not has_control else 0)


if __name__ == "__main__":
    main()
