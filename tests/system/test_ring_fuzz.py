#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""httpsys-ring-fuzz --attach as a script meets it: exit statuses, last lines, reproducer files, and a daemon that goes on."""

import os
import shutil
import signal
import stat
import threading
import time
import unittest

import harness
from ring_fuzz import PROGRAM, RingFuzzTest


class RingFuzz(RingFuzzTest):
    exit_status = None  # one test kills it

    def test_a_short_run_goes_on_until_it_has_looked(self):
        """However short it is told to be: what it says it has looked at, it has."""
        self.check_clean(self.fuzz('--steps', '1', '--seed', '1'))
        self.check_clean(self.fuzz('--steps', '1', '--seed', '1', '--attach', self.daemon.socket))

    def test_attached(self):
        """The daemon goes on serving others, and nothing of the attack stays in it."""
        port, _application = self.start_http('port')
        with self.connect(port, plain=True) as connection:
            self.assertEqual(connection.get('/plain').status, 200)
            process = self.application(PROGRAM, '--seconds', '5', '--seed', '1', '--attach', self.daemon.socket,
                                       '--report', os.path.join(self.folder, 'attached.steps'))
            while process.popen.poll() is None:
                self.assertEqual(connection.get('/plain').status, 200)
            process.status = process.wait(30)
        self.check_clean(process)
        self.assertIsNone(self.daemon.process.popen.poll(), 'the daemon lives')

    def test_what_stays(self):
        """Whoever comes after the first value and stays is what a leak looks like."""
        process = self.application(PROGRAM, '--seconds', '2', '--seed', '1', '--attach', self.daemon.socket,
                                   '--report', os.path.join(self.folder, 'leaked.steps'))
        process.expect('^before the attack the daemon has [1-9]')
        self.start_http('port')
        self.assertEqual(process.wait(60), 1, process.describe())
        text, kind, _seed, _path = self.last_lines(process, 4)
        self.assertRegex(text, r'\A\d+ sessions 2 s after all sessions have ended, \d+ before\Z')
        self.assertEqual(kind, 'finding: leaked')

    def test_a_daemon_that_dies(self):
        report = os.path.join(self.folder, 'found.steps')
        process = self.application(PROGRAM, '--seconds', '60', '--seed', '1', '--attach', self.daemon.socket, '--report', report)
        process.expect('^seed: ')
        self.addCleanup(self.revive)
        killer = threading.Timer(0.7, lambda: self.daemon.process.signal(signal.SIGKILL))
        self.addCleanup(killer.cancel)
        killer.start()
        self.assertEqual(process.wait(60), 1, process.describe())
        killer.join()
        kind, seed, path = self.last_lines(process, 3)
        self.assertEqual(kind, 'finding: died')
        self.assertRegex(seed, r'\Aseed: \d+\Z')
        self.assertEqual(path, f'reproducer: {report}')
        with open(report, encoding='utf-8') as file:
            self.assertRegex(file.read(), r'\A# died: .*\ndaemon seed=\d+ cores=\d+\n')
        # What killed that one was a signal: the steps alone find nothing.
        replayed = self.fuzz('--replay', report)
        self.assertEqual(replayed.status, 0, replayed.describe())

    def revive(self):
        if self.daemon.process.popen.poll() is None:
            self.daemon.process.signal(signal.SIGKILL)
        self.daemon.process.wait(5)
        self.daemon.start()

    def test_a_daemon_that_hangs(self):
        """A PING that is not answered for five seconds, and no less."""
        process = self.application(PROGRAM, '--seconds', '60', '--seed', '1', '--attach', self.daemon.socket,
                                   '--report', os.path.join(self.folder, 'hung.steps'))
        process.expect('^seed: ')
        time.sleep(1)
        self.daemon.process.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            self.assertEqual(process.wait(60), 1, process.describe())
            self.assertGreater(time.monotonic() - stopped, 5)
        finally:
            self.daemon.process.signal(signal.SIGCONT)
        self.assertEqual(self.last_lines(process, 3)[0], 'finding: hung', process.describe())
        self.assertIn('PING has not been answered for 5 s', process.stdout.text())

    @unittest.skipIf(os.geteuid() != 0 or not shutil.which('setpriv'), 'needs root and setpriv to become another user')
    def test_another_user(self):
        """Who is not told what the daemon holds cannot look for leaks, and says so."""
        copy = os.path.join(self.folder, 'ring-fuzz')
        shutil.copy(os.path.join(harness.build_folder(), PROGRAM), copy)
        before = [(path, stat.S_IMODE(os.stat(path).st_mode)) for path in (self.folder, self.daemon.socket)]
        for path, _mode in before:
            os.chmod(path, 0o777)
        try:
            process = self.application(shutil.which('setpriv'), '--reuid=65534', '--regid=65534', '--clear-groups', copy, '--seconds', '2',
                                       '--seed', '1', '--attach', self.daemon.socket, '--report', os.path.join(self.folder, 'other.steps'))
            process.status = process.wait(120)
        finally:
            for path, mode in before:
                os.chmod(path, mode)
        self.check_clean(process)
        self.assertIn('leaks are not looked for: STATS is refused', process.stdout.text())
        own = self.fuzz('--seconds', '1', '--seed', '1', '--attach', self.daemon.socket)
        self.check_clean(own)
        self.assertNotIn('leaks are not looked for', own.stdout.text())

    def test_nobody_there(self):
        process = self.fuzz('--attach', os.path.join(self.folder, 'nobody'))
        self.assertEqual(process.status, 3, process.describe())
        self.assertIn('cannot reach httpsysd', process.stderr.text())


if __name__ == '__main__':
    unittest.main(verbosity=2)
