#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What httpsys-ring-fuzz --attach does to a daemon with so many cores: it goes on, and what stays in it is seen."""

import os
import unittest

from ring_fuzz import PROGRAM, RingFuzzTest


class RingFuzz(RingFuzzTest):
    def test_a_short_run_goes_on_until_it_has_looked(self):
        """However short it is told to be: what it says it has looked at, it has."""
        self.check_clean(self.fuzz('--steps', '1', '--seed', '1'))
        self.check_clean(self.fuzz('--steps', '1', '--seed', '1', '--attach', self.daemon.socket))

    def test_attached(self):
        """The daemon goes on serving others, and nothing of the attack stays in it."""
        port, _application = self.start_http('port')
        with self.connect(port, plain=True) as connection:
            self.assertEqual(connection.get('/plain').status, 200)
            process = self.application(PROGRAM, '--seconds', '4', '--seed', '1', '--attach', self.daemon.socket,
                                       '--report', os.path.join(self.folder, 'attached.steps'))
            while process.popen.poll() is None:
                self.assertEqual(connection.get('/plain').status, 200)
            process.status = process.wait(30)
        self.check_clean(process)
        self.assertIsNone(self.daemon.process.popen.poll(), 'the daemon lives')

    def test_what_stays(self):
        """Whoever comes after the first value and stays is what a leak looks like."""
        process = self.application(PROGRAM, '--seconds', '4', '--seed', '1', '--attach', self.daemon.socket,
                                   '--report', os.path.join(self.folder, 'leaked.steps'))
        process.expect('^before the attack the daemon has [1-9]')
        self.start_http('port')
        self.assertEqual(process.wait(60), 1, process.describe())
        text, kind, _seed, _path = self.last_lines(process, 4)
        self.assertRegex(text, r'\A\d+ sessions 2 s after all sessions have ended, \d+ before\Z')
        self.assertEqual(kind, 'finding: leaked')


if __name__ == '__main__':
    unittest.main(verbosity=2)
