#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows-facing headers compile without a warning: each alone, after one another in any order, in the dialects and with the
macros that their users have. Usage: test_headers.py INCLUDE_DIR COMPILER... (commands; those with ++ in their names are for C++)"""

import concurrent.futures
import itertools
import os
import shlex
import subprocess
import sys

WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Wconversion', '-Wshadow', '-Wundef', '-Werror']
DIALECTS = {'c': ['c90', 'gnu90', 'c99', 'gnu99', 'c17', 'c11'], 'c++': ['c++11', 'c++17', 'c++20']}
MODES = [[], ['-DUNICODE', '-D_UNICODE'], ['-DNONAMELESSUNION'], ['-DWIN32_LEAN_AND_MEAN'], ['-fshort-wchar'], ['-DNOMINMAX'],
         ['-DWIN32_NO_STATUS'], ['-D_WIN32_WINNT=0x0501'], ['-D_GNU_SOURCE', '-DNONAMELESSSTRUCT'],
         ['-DUNICODE', '-DNONAMELESSUNION', '-DWIN32_LEAN_AND_MEAN', '-D_WIN32_WINNT=0x0601', '-fshort-wchar']]


def orders(headers):
    """Each header first, with the rest behind it in two orders."""
    for header in headers:
        rest = [other for other in headers if other != header]
        yield [header, *rest]
        yield [header, *reversed(rest)]


def jobs(include_dir, compilers):
    here = os.path.dirname(os.path.abspath(__file__))
    headers = sorted(name for name in os.listdir(include_dir) if name.endswith('.h'))
    assert 'http.h' in headers and 'windows.h' in headers
    for compiler in compilers:
        language = 'c++' if '++' in compiler else 'c'
        base = [*shlex.split(compiler), '-x', language, *WARNINGS, '-fsyntax-only', '-I', include_dir]
        usage = os.path.join(here, 'usage.cpp' if language == 'c++' else 'usage.c')
        modes = itertools.cycle(MODES)
        newest = DIALECTS[language][-1]
        # Guards and macros know nothing of dialects and compilers: one of each sees all orders.
        in_order = orders(headers) if compiler in compilers[:2] else []
        for order in itertools.chain(in_order, ([header] for header in headers)):
            text = ''.join(f'#include <{name}>\n' for name in order) + 'extern int only_header;\n'
            yield [*base, f'-std={newest}', *next(modes), '-'], text
        for mode in MODES if compiler in compilers[:2] else MODES[:1]:
            if '-DWIN32_NO_STATUS' not in mode:
                yield [*base, '-Wno-unknown-pragmas', f'-std={newest}', *mode, usage], ''
        for dialect in DIALECTS[language][:-1]:
            # u"..." is C11's, and gnu99 has it.
            if dialect not in ('c90', 'gnu90', 'c99'):
                yield [*base, '-Wno-unknown-pragmas', f'-std={dialect}', usage], ''
            yield [*base, f'-std={dialect}', '-'], ''.join(f'#include <{name}>\n' for name in headers) + 'extern int only_header;\n'


def compile_one(job):
    command, text = job
    result = subprocess.run(command, input=text, text=True, capture_output=True, check=False, timeout=120)
    return result.returncode, command, text, result.stderr


def main():
    include_dir, *compilers = sys.argv[1:]
    count = failures = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for status, command, text, errors in pool.map(compile_one, jobs(include_dir, compilers)):
            count += 1
            if status != 0 or errors:
                failures += 1
                print(shlex.join(command), text, errors[:2000], sep='\n')
    print(f'{count} compilations, {failures} failed')
    return 1 if failures or not count else 0


if __name__ == '__main__':
    sys.exit(main())
