#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds up what meson's test logs say. Usage: figures.py NAME=TESTLOG.json...

One line for each log, with the cases inside of its programs (doctest's, unittest's), then "N passed, N failed" over all of them. No log
name: the build failed, which counts as one failed test. A log that is missing: no test was chosen. What was left out, and why, has a line
each. Exit status 1 when a test failed or nothing passed."""

import json
import re
import sys

FAILED = {'FAIL', 'TIMEOUT', 'ERROR', 'UNEXPECTEDPASS', 'INTERRUPT'}
SKIPPED = {'SKIP'}
# doctest: "[doctest] test cases: 5 | 5 passed | ..."; unittest, on stderr: "Ran 5 tests in 0.1s"
CASES = re.compile(r'^\[doctest\] test cases:\s+(\d+) \||^Ran (\d+) tests? in ', re.MULTILINE)
# unittest again, on stderr: "test_name (class.test_name) ... skipped 'reason'"
LEFT_OUT = re.compile(r"""\.\.\. skipped (['"])(.*)\1$""", re.MULTILINE)


def read(path):
    """(passed, failed, skipped, cases, lines about the failed and what was left out) of one log, or None."""
    try:
        with open(path, encoding='utf-8') as file:
            tests = [json.loads(line) for line in file if line.strip()]
    except FileNotFoundError:
        return None
    failed = [test['name'] for test in tests if test['result'] in FAILED]
    skipped = sum(test['result'] in SKIPPED for test in tests)
    output = (text for test in tests for text in (test.get('stdout', ''), test.get('stderr', '')))
    cases = sum(int(match[1] or match[2]) for text in output for match in CASES.finditer(re.sub(r'\x1b\[[0-9;]*m', '', text)))
    notes = [f'failed: {name}' for name in failed]
    notes += [f'skipped: {test["name"]}' for test in tests if test['result'] in SKIPPED]
    notes += [f'skipped in {test["name"]}: {match[2]}' for test in tests for match in LEFT_OUT.finditer(test.get('stderr', ''))]
    return len(tests) - len(failed) - skipped, len(failed), skipped, cases, notes


def words(passed, failed, skipped):
    return f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else '')


def main(arguments):
    total = [0, 0, 0]
    for argument in arguments:
        name, path = argument.split('=', 1)
        figures = read(path) if path else (0, 1, 0, 0, ['failed: the build'])
        if figures is None:
            print(f'{name}: nothing ran')
            continue
        *counts, cases, notes = figures
        print(f'{name}: {words(*counts)}; {cases} cases inside' + ''.join(f'\n  {note}' for note in notes))
        total = [sum(pair) for pair in zip(total, counts)]
    print(words(*total))
    return 0 if total[0] and not total[1] else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
