#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""httpsys-ring-fuzz with a daemon of its own inside, as a script meets it. How many cores httpsysd has is nothing to it."""

import os
import re
import unittest

from ring_fuzz import CLEAN, RingFuzzTest


class Alone(RingFuzzTest):
    def test_standing_alone(self):
        """Seeds that are known to find nothing, so that a finding is a change's; and a moment of whatever --seconds runs."""
        self.assertEqual(self.check_clean(self.fuzz('--seed', '1', '--steps', '100000')), 100000)
        process = self.fuzz('--seed', '1', '--seconds', '2')
        self.check_clean(process)

    def test_steps_and_seed(self):
        process = self.fuzz('--steps', '30000', '--seed', '12')
        self.assertEqual(process.stdout.text().splitlines()[0], 'seed: 12')
        self.assertEqual(self.check_clean(process), 30000)
        again = self.fuzz('--steps', '30000', '--seed', '12')
        self.assertEqual(re.sub(r'[\d.]+ s$', '', self.last_lines(process, 1)[0]), re.sub(r'[\d.]+ s$', '', self.last_lines(again, 1)[0]),
                         'the seed decides')

    def test_nothing_to_minimise(self):
        path = os.path.join(self.folder, 'nothing.steps')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('daemon seed=1 cores=1\n0 connect\n0 hello major=1\n')
        process = self.fuzz('--minimise', path)
        self.assertEqual(process.status, 0, process.describe())
        self.assertIn('there is nothing to minimise', process.stdout.text())
        self.assertRegex(self.last_lines(process, 1)[0], CLEAN)
        self.assertEqual(self.fuzz('--replay', path).status, 0)

    def test_usage(self):
        path = os.path.join(self.folder, 'no.steps')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('daemon seed=1 cores=1\n0 connect\n0 nonsense\n')
        for arguments in (('--seconds', '0'), ('--unheard',), ('--replay', path), ('--replay', path + '-missing'), ('word',)):
            process = self.fuzz(*arguments)
            self.assertEqual(process.status, 2, process.describe())
            self.assertNotEqual(process.stderr.text(), '')


if __name__ == '__main__':
    unittest.main(verbosity=2)
