#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""libhttpapi.so.1 exports what its headers declare and nothing else, and needs nothing but libc and libstdc++.
Usage: test_exports.py LIBRARY INCLUDE_DIR"""

import os
import re
import subprocess
import sys

VERSION = 'HTTPAPI_1.0'
# libm and libgcc_s come with libstdc++.
MAY_NEED = re.compile(r'(?:libc|libm|libstdc\+\+|libgcc_s|ld-linux-[-\w]+)\.so\.\d+\Z')
DECLARATION = re.compile(r'^(?:HTTPAPI_LINKAGE|WINBASEAPI|HTTPSYS_API)\b[^;(]*?\b(\w+)\(', re.MULTILINE)


def declared(include_dir, *names):
    functions = set()
    for name in names:
        with open(os.path.join(include_dir, name), encoding='utf-8') as file:
            functions |= set(DECLARATION.findall(file.read()))
    return functions


def exported(library):
    lines = subprocess.run(['nm', '-D', '--defined-only', library], capture_output=True, text=True, check=True).stdout.split('\n')
    symbols = {line.split()[-1] for line in lines if line}
    return {symbol.split('@')[0] for symbol in symbols - {VERSION}}, {symbol for symbol in symbols if not symbol.endswith(VERSION)}


def main():
    library, include_dir = sys.argv[1:]
    problems = []
    names, without_version = exported(library)
    api = declared(include_dir, 'http.h')
    others = declared(include_dir, 'winbase.h', 'httpsys.h')
    if len(api) != 44 or len(others) < 25:
        problems.append(f'{len(api)} functions of http.h, {len(others)} others: the headers are not read rightly')
    problems += [f'{symbol} has no version' for symbol in sorted(without_version)]
    problems += [f'{name} is exported but not declared' for name in sorted(names - api - others)]
    # All of http.h's functions or none: before the API's first there is nothing to link a program with.
    problems += [f'{name} is declared but not exported' for name in sorted((others | (api if names & api else set())) - names)]
    dynamic = subprocess.run(['readelf', '-d', library], capture_output=True, text=True, check=True).stdout
    if 'soname: [libhttpapi.so.1]' not in dynamic:
        problems.append('its name is not libhttpapi.so.1')
    problems += [f'it needs {needed}' for needed in re.findall(r'\(NEEDED\).*\[(.*)\]', dynamic) if not MAY_NEED.match(needed)]
    print(*problems, f'{len(names)} functions exported, {len(problems)} problems', sep='\n')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
