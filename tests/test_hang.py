#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A case in C++ that hangs ends its program and says its name. Usage: test_hang.py CASE_THAT_HANGS"""

import os
import subprocess
import sys
import time
import unittest

import figures

PROGRAM = sys.argv.pop(1)


class Hang(unittest.TestCase):
    def run_for(self, seconds, *words):
        return subprocess.run([PROGRAM, *words], env={**os.environ, 'HTTPSYS_CASE_SECONDS': str(seconds)}, stdout=subprocess.PIPE,
                              encoding='utf-8', timeout=60, check=False)

    def test_it_ends_with_its_name(self):
        begin = time.monotonic()
        ended = self.run_for(2)
        self.assertEqual(ended.returncode, 1)
        self.assertGreater(time.monotonic() - begin, 2.5)   # the other case has had its time
        told = figures.reasons({'name': 'x', 'result': 'FAIL', 'stdout': ended.stdout})
        self.assertEqual(len(told), 2, told)
        self.assertRegex(told[1], r'case_that_hangs\.cpp:\d+: the case "waits for nothing" hangs: it is not over after 2 s$')

    def test_no_bound(self):
        with self.assertRaises(subprocess.TimeoutExpired):
            subprocess.run([PROGRAM, '-tc=waits*'], env={**os.environ, 'HTTPSYS_CASE_SECONDS': '0'}, stdout=subprocess.DEVNULL, timeout=2,
                           check=False)

    def test_others_pass(self):
        self.assertEqual(self.run_for(20, '-tc=subcases').returncode, 0)


if __name__ == '__main__':
    unittest.main()
