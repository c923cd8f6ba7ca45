#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds up what meson's test logs say. Usage: figures.py NAME=TESTLOG.json...

One line for each log, with the cases inside of its programs (doctest's, unittest's), then what failed and why, in a few lines, then
"N passed, N failed" over all of them: who sees only the end sees what matters. No log name: the build failed, which counts as one failed
test. A log that is missing: no test was chosen. What was left out, and why, has a line each. Exit status 1 when a test failed or nothing
passed."""

import collections
import json
import os
import re
import sys

FAILED = {'FAIL', 'TIMEOUT', 'ERROR', 'UNEXPECTEDPASS', 'INTERRUPT'}
SKIPPED = {'SKIP'}
# doctest: "[doctest] test cases: 5 | 5 passed | ..."; unittest, on stderr: "Ran 5 tests in 0.1s"
CASES = re.compile(r'^\[doctest\] test cases:\s+(\d+) \||^Ran (\d+) tests? in ', re.MULTILINE)
# unittest again, on stderr: "test_name (class.test_name) ... skipped 'reason'"
LEFT_OUT = re.compile(r"""\.\.\. skipped (['"])(.*)\1$""", re.MULTILINE)
# doctest, of a case that cannot run here: "unit.cpp:12: MESSAGE: not tried: why"
LEFT_OUT_CASE = re.compile(r'^\S+:\d+: MESSAGE: (not tried.*)$', re.MULTILINE)
COLOURS = re.compile(r'\x1b\[[0-9;]*m')

# What failed inside of a program. unittest: a line of "=", "FAIL: test_name (class)", perhaps a sentence, a line of "-", and a traceback.
CASE = re.compile(r'^={70}\n((?:FAIL|ERROR): .*)\n(?:.*\n)*?-{70}\n((?:.*\n)*?)(?=={70}\n|-{70}\nRan )', re.MULTILINE)
FRAME = re.compile(r'^  File "(.*)", line (\d+), in .*\n    (.*)$', re.MULTILINE)
ERROR = re.compile(r'^(?!Traceback )\w[\w.]*(?:: .*)?$', re.MULTILINE)
# doctest: "unit.cpp:12: ERROR: CHECK( a == b ) is NOT correct!", "  values: CHECK( 1 == 2 )"
CHECK = re.compile(r'^(\S+:\d+): (?:FATAL )?ERROR: (.*(?:\n  values: .*)?)', re.MULTILINE)
CASES_TOLD, LINES_TOLD, LINE_BYTES = 5, 3, 300


def told(text):
    return text if len(text) <= LINE_BYTES else f'{text[:LINE_BYTES]} [...]'


def case_of(name, traceback):
    """Of the exception that came last: where the test was, and what it says, of many lines the first and the last ones."""
    last = traceback.rpartition('Traceback (most recent call last):\n')[2]
    frame, frames = FRAME.search(last), list(FRAME.finditer(last))
    lines = [f'{os.path.basename(frame[1])}:{frame[2]}: {frame[3]}'] if frame else []
    error = ERROR.search(last, frames[-1].end() if frames else 0)
    said = [line for line in last[error.start() if error else len(last):].splitlines() if line.strip('- ')]
    return [name, *lines, *said[:1], *said[1:][-LINES_TOLD:]]


def reasons(test):
    """Of a test that failed, a few lines."""
    stdout, stderr = (COLOURS.sub('', test.get(name) or '') for name in ('stdout', 'stderr'))
    cases = [case_of(*match.groups()) for match in CASE.finditer(stderr)]
    cases += [[f'{match[1]}: {match[2]}'.replace('\n  ', ' ')] for match in CHECK.finditer(stdout)]
    if not cases:
        cases = [[line for text in (stdout, stderr) for line in text.splitlines() if line.strip()][-LINES_TOLD:]]
    lines = [told(line) for case in cases[:CASES_TOLD] for line in case]
    more = [f'and {len(cases) - CASES_TOLD} more'] if len(cases) > CASES_TOLD else []
    how = '' if test['result'] == 'FAIL' else f' ({test["result"]})'
    return [f'failed: {test["name"]}{how}', *(f'  {line}' for line in lines + more)]


def read(path):
    """(passed, failed, skipped, cases, lines about what was left out, lines about the failed) of one log, or None."""
    try:
        with open(path, encoding='utf-8') as file:
            tests = [json.loads(line) for line in file if line.strip()]
    except FileNotFoundError:
        return None
    failed = [test for test in tests if test['result'] in FAILED]
    skipped = sum(test['result'] in SKIPPED for test in tests)
    output = (text for test in tests for text in (test.get('stdout', ''), test.get('stderr', '')))
    cases = sum(int(match[1] or match[2]) for text in output for match in CASES.finditer(COLOURS.sub('', text)))
    notes = [f'skipped: {test["name"]}' for test in tests if test['result'] in SKIPPED]
    notes += [f'skipped in {test["name"]}: {match[2]}' for test in tests for match in LEFT_OUT.finditer(test.get('stderr', ''))]
    notes += [f'skipped in {test["name"]}: {match[1]}' for test in tests
              for match in LEFT_OUT_CASE.finditer(COLOURS.sub('', test.get('stdout', '')))]
    notes = [note if times == 1 else f'{note} ({times} times)' for note, times in collections.Counter(notes).items()]
    why = [line for test in failed for line in reasons(test)]
    return len(tests) - len(failed) - skipped, len(failed), skipped, cases, notes, why


def words(passed, failed, skipped):
    return f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else '')


def main(arguments):
    total, failures = [0, 0, 0], []
    for argument in arguments:
        name, path = argument.split('=', 1)
        figures = read(path) if path else (0, 1, 0, 0, [], ['failed: the build'])
        if figures is None:
            print(f'{name}: nothing ran')
            continue
        *counts, cases, notes, why = figures
        print(f'{name}: {words(*counts)}; {cases} cases inside' + ''.join(f'\n  {note}' for note in notes))
        total = [sum(pair) for pair in zip(total, counts)]
        failures += [f'{name}: {line}' if line.startswith('failed: ') else line for line in why]
    for line in failures:
        print(line)
    print(words(*total))
    return 0 if total[0] and not total[1] else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
