#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""httpsys-ring-fuzz with a daemon of its own inside, as a script meets it. How many cores httpsysd has is nothing to it."""

import os
import re
import unittest

import harness
from processes import PATIENCE
from ring_fuzz import CLEAN, RingFuzzTest

WITH_CANARIES = 'tests/system/ring_fuzz_canary'


class Alone(RingFuzzTest):
    def test_standing_alone(self):
        """Seeds that are known to find nothing, so that a finding is a change's; and in the build as it ships ten seconds of new ones."""
        self.assertEqual(self.check_clean(self.fuzz('--seed', '1', '--steps', '100000')), 100000)
        # Another client's URL that opened the witness' port and closed it again took a connection from it.
        self.assertEqual(self.check_clean(self.fuzz('--seed', '636648734', '--steps', '1000')), 1000)
        # A late send of a body that did not lie in the send arena was taken after HEAD.
        self.assertEqual(self.check_clean(self.fuzz('--seed', '251373905', '--steps', '1000')), 1000)
        report = os.path.join(self.folder, 'new.steps')
        process = self.fuzz('--seconds', '10', '--report', report) if PATIENCE == 1 else self.fuzz('--seconds', '2', '--seed', '1')
        print(*self.last_lines(process, 2), sep='\n', flush=True)
        if os.path.exists(report):   # it goes with its folder
            with open(report, encoding='utf-8') as file:
                print(file.read(), flush=True)
        self.check_clean(process)

    def test_steps_and_seed(self):
        process = self.fuzz('--steps', '10000', '--seed', '12')
        self.assertEqual(process.stdout.text().splitlines()[0], 'seed: 12')
        self.assertEqual(self.check_clean(process), 10000)
        again = self.fuzz('--steps', '10000', '--seed', '12')
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


class Finding(RingFuzzTest):
    """A rule is broken (kernel/base/canary.h), and it is found, written down, found again and made short."""

    def broken(self, rule, *arguments):
        return self.fuzz(*arguments, program=WITH_CANARIES, environment={'HTTPSYS_CANARY': rule})

    def check_found(self, process, report, kind, seed):
        """As the man page says. Returns how many steps the reproducer has."""
        self.assertEqual(process.status, 1, process.describe())
        self.assertEqual(self.last_lines(process, 3), [f'finding: {kind}', f'seed: {seed}', f'reproducer: {report}'], process.describe())
        return self.check_written(report, kind, seed)

    def check_written(self, report, kind, seed):
        with open(report, encoding='utf-8') as file:
            why, begin, *steps = file.read().splitlines()
        self.assertRegex(why, f'^# {kind}: .')
        self.assertRegex(begin, fr'^daemon seed={seed} cores=\d+$')
        return len(steps)

    def check_rule(self, rule, kind):
        report, again, short = (os.path.join(self.folder, f'{rule}.{name}') for name in ('steps', 'again', 'short'))
        found = self.broken(rule, '--seed', '1', '--steps', '50000', '--report', report)
        seed = self.last_lines(found, 2)[0].removeprefix('seed: ')
        steps = self.check_found(found, report, kind, seed)
        self.assertEqual(self.check_found(self.broken(rule, '--replay', report, '--report', again), again, kind, seed), steps)
        # Without the canary the same steps find nothing: what was found is the rule.
        kept = self.fuzz('--replay', report)
        self.assertEqual(kept.status, 0, kept.describe())
        self.assertRegex(self.last_lines(kept, 1)[0], CLEAN)
        left = self.check_found(self.broken(rule, '--minimise', report, '--report', short), short, kind, seed)
        self.assertTrue(0 < left < steps / 2, f'{left} of {steps} steps are left')
        self.assertEqual(self.check_found(self.broken(rule, '--replay', short, '--report', again), again, kind, seed), left)

    def test_reserved_bits_ignored(self):
        self.check_rule('ReservedBitsIgnored', 'accepted')

    def test_work_not_bounded(self):
        self.check_rule('WorkNotBounded', 'unbounded')

    def test_tail_not_checked(self):
        self.check_rule('TailNotChecked', 'accepted')

    def test_where_it_is_written(self):
        """Without --report into the folder where it is started; a file that cannot be written is refused before the run."""
        process = self.application('/usr/bin/env', '-C', self.folder, os.path.join(harness.build_folder(), WITH_CANARIES), '--seed', '7',
                                   '--steps', '1', environment={'HTTPSYS_CANARY': 'EntryReadAgain'})
        process.status = process.wait(120)
        self.assertEqual(self.last_lines(process, 1), ['reproducer: ring-fuzz-7.steps'], process.describe())
        self.check_written(os.path.join(self.folder, 'ring-fuzz-7.steps'), 'read twice', 7)
        process = self.broken('EntryReadAgain', '--seed', '7', '--steps', '1', '--report', os.path.join(self.folder, 'no', 'where'))
        self.assertEqual((process.status, process.stdout.text()), (2, ''), process.describe())
        self.assertIn('cannot be written', process.stderr.text())

    def test_no_such_canary(self):
        self.assertEqual(self.broken('Unheard').status, 2)


if __name__ == '__main__':
    unittest.main(verbosity=2)
