#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns abi-x86_64-windows.csv into a program whose static assertions compare http.h and its companions with Windows' ABI.

Usage: generate_checks.py ROWS.csv c|cpp OUTPUT. Every row becomes one check: at compile time where the language can say it, else in
the program's main(). The program counts both kinds and compares the sum with the lines of the CSV, so that no row is lost."""

import csv
import re
import sys

# Rows that cannot hold, each with its reason. A row that is missing from the CSV is an error, so that the list stays honest.
EXCEPTIONS = {
    ('win32', 'AF_INET6', ''): 'socket addresses are the system\'s own, whose number is 10',
}

# Pointers made of numbers are no constant expressions.
AT_RUN_TIME = {('win32', 'INVALID_HANDLE_VALUE')}

BASE = re.compile(r'\(base (\w+)\)\Z')
INITIALISER = re.compile(r'\{(\d+) (\d+)\}\Z')

FRAME = '''// SPDX-License-Identifier: GPL-3.0-or-later
// Made by tests/abi/generate_checks.py; do not edit.
#include <http.h>
#include <httpsys.h>
#include <ntstatus.h>
#include <ws2tcpip.h>
#include "tests/abi/row_count.h"
%(language)s
%(static)s

enum { kStaticRows = __COUNTER__ };

int main(int argc, char **argv)
{
  unsigned rows = kStaticRows;
%(run_time)s
  return check_row_count(argc, argv, rows, %(exceptions)du);
}
'''

LANGUAGE = {
    'c': '''
#define ROW(number, condition, text) \\
  _Static_assert(condition, text); \\
  enum { abi_row_##number = __COUNTER__ }''',
    'cpp': '''
#include <type_traits>
#pragma GCC diagnostic ignored "-Winvalid-offsetof" // C++ leaves it to the compiler, and both of ours can
#define ROW(number, condition, text) \\
  static_assert(condition, text); \\
  enum { abi_row_##number = __COUNTER__ }'''}


def number(value):
    return value + 'll' if value.startswith('-') else value + 'ull'


def member(row, language):
    """The member as C or C++ name it, or None for the base of a structure."""
    base = BASE.match(row['member'])
    if not base:
        return row['member']
    return 's' if language == 'c' else None


def static_check(row, language):
    kind, name, value = row['kind'], row['name'], row['value']
    null = f'(({name} *)0)' if language == 'c' else f'static_cast<{name} *>(nullptr)'
    if kind in ('struct_size', 'type_size'):
        return f'sizeof({name}) == {value}'
    if kind == 'struct_align':
        return f'{"_Alignof" if language == "c" else "alignof"}({name}) == {value}'
    if kind == 'member_offset' and member(row, language):
        return f'offsetof({name}, {member(row, language)}) == {value}'
    if kind == 'member_size' and member(row, language):
        return f'sizeof({null}->{member(row, language)}) == {value}'
    if kind == 'member_size':
        base = BASE.match(row['member']).group(1)
        return f'std::is_base_of_v<{base}, {name}> && sizeof({base}) == {value}'
    if kind == 'enum' and language == 'c':
        return f'{row["member"]} == {value}'
    if kind == 'enum':
        return f'std::is_same_v<decltype({row["member"]}), {name}> && static_cast<long long>({row["member"]}) == {number(value)}'
    if kind in ('macro', 'win32') and (kind, name) not in AT_RUN_TIME:
        return f'({"unsigned " if not value.startswith("-") else ""}long long)({name}) == {number(value)}'
    return None


def run_time_check(row):
    """Statements that leave the result in `good`."""
    kind, name, value = row['kind'], row['name'], row['value']
    if kind == 'macro_init':
        major, minor = INITIALISER.match(value).groups()
        if name.startswith('HTTPAPI'):
            return f'HTTPAPI_VERSION v = {name}; good = v.HttpApiMajorVersion == {major} && v.HttpApiMinorVersion == {minor};'
        return f'HTTP_VERSION v = {name}; good = v.MajorVersion == {major} && v.MinorVersion == {minor};'
    if kind == 'bitfield_bits':
        return f'union {{ {name} fields; ULONG bits; }} v; v.bits = ~0u; good = v.fields.{row["member"]} == (1u << {value}) - 1;'
    if kind == 'bitfield_shift':
        return f'union {{ {name} fields; ULONG bits; }} v; v.bits = 0; v.fields.{row["member"]} = 1; good = v.bits == 1u << {value};'
    if kind == 'member_offset':   # of a base class
        base = BASE.match(row['member']).group(1)
        return f'{name} v; good = (char *)static_cast<{base} *>(&v) - (char *)&v == {value};'
    if kind == 'win32':
        return f'good = (LONG_PTR)({name}) == {value};'
    raise ValueError(f'no check for {row}')


def main():
    source, language, output = sys.argv[1:]
    with open(source, encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    static, run_time, exceptions = [], [], set()
    for line, row in enumerate(rows, 2):
        text = ','.join((row['kind'], row['name'], row['member'], row['value']))
        if (row['kind'], row['name'], row['member']) in EXCEPTIONS:
            exceptions.add((row['kind'], row['name'], row['member']))
            continue
        condition = static_check(row, language)
        if condition:
            static.append(f'ROW({line}, ({condition}), "line {line}: {text}");')
        else:
            run_time.append(f'  {{ int good; {run_time_check(row)} rows += check_row(good, "line {line}: {text}"); }}')
    missing = EXCEPTIONS.keys() - exceptions
    if missing:
        sys.exit(f'exceptions for rows that are not in {source}: {missing}')
    with open(output, 'w', encoding='utf-8') as file:
        file.write(FRAME % {'language': LANGUAGE[language], 'static': '\n'.join(static), 'run_time': '\n'.join(run_time),
                            'exceptions': len(exceptions)})


if __name__ == '__main__':
    main()
