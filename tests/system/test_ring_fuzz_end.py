#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""httpsys-ring-fuzz --attach as a script meets it: exit statuses, last lines, reproducer files. How many cores the daemon has is nothing
to it."""

import os
import shutil
import signal
import socket
import stat
import threading
import time
import unittest

import harness
from processes import Within
from ring_fuzz import PROGRAM, RingFuzzTest


class Endings(RingFuzzTest):
    exit_status = None  # one test kills it

    def test_a_daemon_that_dies(self):
        report = os.path.join(self.folder, 'found.steps')
        process = self.application(PROGRAM, '--seconds', '60', '--seed', '1', '--attach', self.daemon.socket, '--report', report)
        process.expect('^3 threads attack it$')
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
            self.assertRegex(file.read(), r'\A# died: .*\n(# at the same time: .*\.[23]\n){2}daemon seed=\d+ cores=\d+\n')
        for other in (f'{report}.2', f'{report}.3'):   # three threads were at it
            self.assertEqual(self.fuzz('--replay', other).status, 0)
        # What killed that one was a signal: the steps alone find nothing.
        replayed = self.fuzz('--replay', report)
        self.assertEqual(replayed.status, 0, replayed.describe())

    def revive(self):
        if self.daemon.process.popen.poll() is None:
            self.daemon.process.signal(signal.SIGKILL)
        self.daemon.process.wait(5)
        self.daemon.start()

    def test_a_daemon_that_hangs(self):
        """A PING that is not answered for five seconds, and not much less."""
        process = self.application(PROGRAM, '--seconds', '60', '--seed', '1', '--attach', self.daemon.socket,
                                   '--report', os.path.join(self.folder, 'hung.steps'))
        process.expect('^3 threads attack it$')
        time.sleep(1)
        self.daemon.process.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            with Within(10, 'it says so at once'):   # and asks the daemon nothing else
                self.assertEqual(process.wait(60), 1, process.describe())
            self.assertGreater(time.monotonic() - stopped, 4)   # the PING may have been on its way
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

    def test_little_is_its_own(self):
        process = self.application(shutil.which('prlimit'), '--nofile=40:40', os.path.join(harness.build_folder(), PROGRAM), '--seconds',
                                   '2', '--attach', self.daemon.socket)
        process.status = process.wait(60)
        self.check_hindered(process, 'this program may have 40 descriptors, an attack takes up to 512')

    def test_silence(self):
        """Somebody listens and says nothing."""
        path = os.path.join(self.folder, 'silent')
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(path)
            listener.listen(16)
            self.check_hindered(self.fuzz('--attach', path), 'HELLO has not been answered for 5 s')

    def test_nobody_there(self):
        process = self.fuzz('--attach', os.path.join(self.folder, 'nobody'))
        self.assertEqual(process.status, 3, process.describe())
        self.assertIn('cannot reach httpsysd', process.stderr.text())

    def test_no_place_for_the_steps(self):
        process = self.fuzz('--report', os.path.join(self.folder, 'missing', 'report'))
        self.assertEqual(process.status, 2, process.describe())
        self.assertIn('report cannot be written: No such file or directory', process.stderr.text())


class FewSessions(RingFuzzTest):
    """What a daemon's limits refuse to its attacker is no bug of it."""
    config = {'clients': {'SessionsPerProcess': 8}}

    def test_attached(self):
        self.check_hindered(self.fuzz('--seconds', '2', '--attach', self.daemon.socket),
                            'the daemon gives this program 6 sessions with a channel, an attack takes 18')


class FewUrls(RingFuzzTest):
    config = {'clients': {'UrlsPerProcess': 2}}

    def test_attached(self):
        self.check_hindered(self.fuzz('--seconds', '60', '--attach', self.daemon.socket),
                            r'and may have 2 \(UrlsPerProcess in httpsys.toml\)')


if __name__ == '__main__':
    unittest.main(verbosity=2)
