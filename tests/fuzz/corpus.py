#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a fuzz target as one file, since hundreds of small ones would be a nuisance in a repository.

corpus.py unpack PACK FOLDER    for libFuzzer: a file for each input
corpus.py pack FOLDER PACK      the other way round, in the order of their contents
"""
import hashlib
import pathlib
import sys


def unpack(pack, folder):
    folder.mkdir(parents=True, exist_ok=True)
    data = pack.read_bytes()
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at:at + 2], 'little')
        contents = data[at + 2:end]
        (folder / hashlib.sha1(contents).hexdigest()).write_bytes(contents)
        at = end


def pack(folder, target):
    inputs = sorted(path.read_bytes() for path in folder.iterdir())
    target.write_bytes(b''.join(len(contents).to_bytes(2, 'little') + contents for contents in inputs))


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ('pack', 'unpack'):
        sys.exit(__doc__)
    {'pack': pack, 'unpack': unpack}[sys.argv[1]](pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))


if __name__ == '__main__':
    main()
