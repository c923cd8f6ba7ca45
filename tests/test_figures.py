#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""figures.py with logs of meson: what failed, and why, stands in the last lines."""

import contextlib
import io
import json
import os
import tempfile
import unittest

import figures

DOCTEST = '''\x1b[0;36m[doctest] \x1b[0mdoctest version is "2.4.9"
===============================================================================
../../tests/unit/ke/timers.cpp:12:
TEST CASE:  a timer

\x1b[0m../../tests/unit/ke/timers.cpp:15: \x1b[1;31mERROR: \x1b[0;36mCHECK( fired == 2 ) \x1b[0mis \x1b[1;31mNOT correct!
\x1b[0m  values: \x1b[0;36mCHECK( 1 == 2 )

===============================================================================
[doctest] test cases: 5 | 4 passed | 1 failed | 0 skipped
'''


def case_that_fails():
    """What unittest prints about three cases that fail and one that does not."""
    class Case(unittest.TestCase):
        def test_differs(self):
            """A sentence about it."""
            self.assertEqual((1001, 3), (1000, 3), 'queued\n--- httpsysd (12), exit status None\n--- stdout\nready\n--- stderr\n\n---')

        def test_chained(self):
            try:
                self.fail('first')
            except AssertionError as error:
                raise ValueError('then ' + 'x' * 1000) from error

        def test_rows(self):
            for row in range(9):
                with self.subTest(row=row):
                    os.stat(f'/nowhere/{row}')

        def test_good(self):
            pass
    printed = io.StringIO()
    unittest.TextTestRunner(printed, verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(Case))
    return printed.getvalue()


class Figures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='hsys-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def figures(self, **logs):
        """(exit status, lines). logs: by build a list of tests; None: it could not be built."""
        arguments = []
        for build, tests in logs.items():
            path = os.path.join(self.folder, f'{build}.json')
            with open(path, 'w', encoding='utf-8') as file:
                file.writelines(json.dumps(test) + '\n' for test in tests or [])
            arguments.append(f'{build}={path if tests is not None else ""}')
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = figures.main(arguments)
        return status, printed.getvalue().splitlines()

    def test_all_good(self):
        skips = "test_a (X.test_a) ... skipped 'why'\ntest_b (X.test_b) ... skipped 'why'\nRan 3 tests in 1.0s\n"
        message = '\x1b[0m../a.cpp:33: \x1b[1;33mMESSAGE: not tried: who can\n\nb.cpp:1: MESSAGE: 3 in flight\n'
        cases = message + '[doctest] test cases: 5 | 5 passed\n'
        self.assertEqual(self.figures(release=[{'name': 'a', 'result': 'OK', 'stdout': cases},
                                               {'name': 'b', 'result': 'OK', 'stderr': skips}, {'name': 'c', 'result': 'SKIP'}]),
                         (0, ['release: 2 passed, 0 failed, 1 skipped; 8 cases inside', '  skipped: c', '  skipped in b: why (2 times)',
                              '  skipped in a: not tried: who can', '2 passed, 0 failed, 1 skipped']))

    def test_what_failed_stands_last(self):
        tests = [{'name': 'unit-ke', 'result': 'FAIL', 'stdout': DOCTEST},
                 {'name': 'system-x', 'result': 'FAIL', 'stdout': 'a log\n' * 1000, 'stderr': case_that_fails()},
                 {'name': 'hangs', 'result': 'TIMEOUT', 'stdout': 'one\ntwo\n\nthree\n', 'stderr': 'test_y ... '}]
        status, lines = self.figures(release=tests, tsan=[{'name': 'a', 'result': 'OK'}])
        self.assertEqual(status, 1)
        here = os.path.basename(__file__)
        patterns = ['release: 0 passed, 3 failed; 9 cases inside', 'tsan: 1 passed, 0 failed; 0 cases inside', 'release: failed: unit-ke',
                    r'  \.\./\.\./tests/unit/ke/timers\.cpp:15: CHECK\( fired == 2 \) is NOT correct! values: CHECK\( 1 == 2 \)',
                    'release: failed: system-x',
                    r'  ERROR: test_chained \(.*\)', rf"  {here}:\d+: raise ValueError\('then ' .*", r'  ValueError: then x+ \[\.\.\.\]',
                    r'  ERROR: test_rows .* \(row=0\)', rf'  {here}:\d+: os\.stat\(.*', r'  FileNotFoundError: .*/nowhere/0.*']
        for row in range(1, 4):
            patterns += [rf'  ERROR: test_rows .* \(row={row}\)', rf'  {here}:\d+: os\.stat\(.*',
                         rf'  FileNotFoundError: .*/nowhere/{row}.*']
        patterns += ['  and 6 more', r'release: failed: hangs \(TIMEOUT\)', '  two', '  three', r'  test_y \.\.\. ', '1 passed, 3 failed']
        for line, pattern in zip(lines, patterns):
            self.assertRegex(line, f'^{pattern}$')
        self.assertEqual(len(lines), len(patterns), lines)

    def test_an_assertion(self):
        text = case_that_fails()
        # Alone, as when only it fails.
        match = next(match for match in figures.CASE.finditer(text) if 'test_differs' in match[1])
        name, where, *error = figures.case_of(*match.groups())
        self.assertRegex(name, r'^FAIL: test_differs \(')
        self.assertRegex(where, r'^test_figures\.py:\d+: self\.assertEqual\(\(1001, 3\)')
        self.assertEqual(error, ['AssertionError: Tuples differ: (1001, 3) != (1000, 3)', '--- stdout', 'ready', '--- stderr'])

    def test_builds(self):
        self.assertEqual(self.figures(release=None, asan=[{'name': 'a', 'result': 'OK'}]),
                         (1, ['release: 0 passed, 1 failed; 0 cases inside', 'asan: 1 passed, 0 failed; 0 cases inside',
                              'release: failed: the build', '1 passed, 1 failed']))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(figures.main([f'release={self.folder}/none.json']), 1)
        self.assertEqual(printed.getvalue(), 'release: nothing ran\n0 passed, 0 failed\n')


if __name__ == '__main__':
    unittest.main()
