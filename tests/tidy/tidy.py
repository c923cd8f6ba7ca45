#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the project's style and include graph; exits 1 with one line for each finding. Usage: tidy.py [ROOT]"""

import os
import subprocess
import sys

import document_rules
import function_rules
import include_rules
import shared_memory_rules
import text_rules
from source import Source

# Where no git tells what belongs to the project (an unpacked archive).
NOT_OURS = {'.git', '__pycache__', 'packagecache'}


def files_of(root):
    """Paths of the project's files, those not yet committed included, what .gitignore names excluded."""
    try:
        listed = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=root, capture_output=True,
                                check=True, timeout=60).stdout.decode().split('\0')
    except (OSError, subprocess.SubprocessError):
        listed = walk(root)
    return sorted({path for path in listed if path and os.path.isfile(os.path.join(root, path))})


def walk(root):
    for folder, folders, names in os.walk(root):
        inside = os.path.relpath(folder, root)
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.startswith('build')
                      and not (inside == 'subprojects' and name != 'packagefiles')]
        for name in names:
            yield os.path.normpath(os.path.join(inside, name))


def findings(source, exists):
    rules = [*text_rules.RULES, *shared_memory_rules.RULES, function_rules.check, lambda file: include_rules.check(file, exists)]
    return sorted({found for rule in rules for found in rule(source)})


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else '.')
    sources = {}
    for path in files_of(root):
        with open(os.path.join(root, path), 'rb') as file:
            sources[path] = Source(path, file.read())
    found = [(path, *finding) for path, source in sources.items() for finding in findings(source, sources.__contains__)]
    found += document_rules.check(sources)
    found += shared_memory_rules.unused(sources)
    for path, line, text in sorted(found):
        print(f'{path}:{line}: {text}')
    print(f'{len(sources)} files, {len(found)} findings')
    return 1 if found or not sources else 0


if __name__ == '__main__':
    sys.exit(main())
