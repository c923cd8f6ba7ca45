#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that try to make the daemon wait for them: it answers others meanwhile, and when it is killed it is gone."""

import contextlib
import os
import signal
import time
import unittest

import harness
from processes import PATIENCE

NOT_SEALED, BELL = 9, 10   # hsys_revocation
MOST = 4                   # seconds that an answer of all cores may take: the ring's fuzz harness calls five a hang
HOLDER = 61001             # the user who makes closes wait
WATCHES = 300000           # by which a ring takes tens of milliseconds


class Waits(harness.SystemTest):
    def waiting_client(self, *words):
        return self.application('tests/system/waiting_client', self.daemon.socket, *words)

    def check_answers(self, times=5):
        """All cores take part in each."""
        for _ in range(times):
            began = time.monotonic()
            self.daemon.statistics()
            self.assertLess(time.monotonic() - began, MOST * PATIENCE)

    def outcome(self, client):
        found = client.expect(r'^(hangs|cut off|not cut off|moved|not tried:.*?) (\d+)$', 60)
        words, number = found.group(1).decode(), int(found.group(2))
        if words.startswith('not tried'):
            self.skipTest(f'{words} {number}')
        return words, number

    def test_a_reader_that_hangs(self):
        """Its read of the bell does not end. The daemon rings on, and neither its end nor the next start waits for that client."""
        client = self.waiting_client('hangs')
        self.assertEqual(self.outcome(client), ('hangs', 0))
        self.check_answers()
        self.daemon.kill()
        self.daemon.start()
        self.check_answers()
        client.close_stdin()
        client.wait()

    def holder(self, sessions, what):
        """A client of another user that makes whoever closes the kicks of its sessions last wait."""
        for path in (self.folder, self.daemon.socket):
            os.chmod(path, 0o777)
        client = self.application('tests/system/waiting_client', self.daemon.socket, 'epoll', HOLDER, sessions, what)
        self.assertEqual(self.outcome(client), ('hangs', sessions))
        return client

    def check_end(self, end):
        """The daemon is gone at once, and the next one serves."""
        began = time.monotonic()
        end()
        self.assertLess(time.monotonic() - began, 2 * PATIENCE)
        self.daemon.start()
        self.check_answers()

    @unittest.skipIf(os.geteuid() != 0, 'needs root to become another user')
    def test_closes_that_wait_for_a_client(self):
        """Others come and go meanwhile; its user gets no more sessions."""
        client = self.holder(60, 'leaves')
        for _ in range(20):
            began = time.monotonic()
            self.daemon.statistics()
            self.assertLess(time.monotonic() - began, 1 * PATIENCE)
        for _ in range(5):
            port = harness.free_port()
            began = time.monotonic()
            server = self.application('tests/system/api_server', 'event', 1, '-', 'create', f'http://localhost:{port}/')
            server.expect('^ready$')
            self.assertEqual(self.connect(port, plain=True).get('/plain').status, 200)
            server.kill()
            self.assertLess(time.monotonic() - began, 2 * PATIENCE)
        self.daemon.expect_log(rf'a process of uid {HOLDER} holds up the close of what its ended sessions had: \d+ descriptors wait')
        refused = self.application('tests/system/waiting_client', self.daemon.socket, 'epoll', HOLDER, 1, 'leaves')
        self.assertEqual(refused.wait(), 1)
        self.daemon.expect_log(rf'is turned away: a process of uid {HOLDER} holds up the close of \d+ descriptors of its ended sessions, '
                               r'47 may be \(kClosesHeldPerUser\)')
        client.close_stdin()
        client.wait()
        self.daemon.expect_log(rf'what ended sessions of uid {HOLDER} had is closed')
        self.holder(1, 'leaves')

    @unittest.skipIf(os.geteuid() != 0, 'needs root to become another user')
    def test_ends_that_wait_for_a_client(self):
        """Neither an orderly end nor another waits for it, with sessions that have ended or with some that have not."""
        for what, end in ((what, end) for what in ('leaves', 'stays') for end in (self.daemon.stop, self.daemon.kill)):
            with self.subTest(what=what, end=end.__name__):
                client = self.holder(20, what)
                self.check_end(end)
                client.close_stdin()
                client.wait()

    def closing_process(self):
        with open(f'/proc/{self.daemon.process.pid}/task/{self.daemon.process.pid}/children', encoding='ascii') as children:
            return int(children.read())

    def kill_closing_process(self):
        os.kill(self.closing_process(), signal.SIGKILL)

    @staticmethod
    def is_running(pid):
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as stat:
                return stat.read().rpartition(')')[2].split()[0] not in 'ZX'
        except (FileNotFoundError, ProcessLookupError):
            return False

    def test_how_long_the_closing_process_stays(self):
        """After a kill the kernel closes some of the daemon's files late; the closing process has nothing else of the daemon's."""
        child = self.closing_process()
        files = set()
        for number in os.listdir(f'/proc/{child}/fd'):
            with contextlib.suppress(FileNotFoundError):  # a control socket that it has just closed, before Linux 6.16
                files.add(os.readlink(f'/proc/{child}/fd/{number}'))
        self.assertEqual({name.partition(':')[0] for name in files}, {'anon_inode', 'socket'})
        self.daemon.stop()
        harness.eventually(lambda: not self.is_running(child), 5, 'its end')
        self.daemon.start()
        child = self.closing_process()
        self.daemon.kill()
        self.daemon.start()
        time.sleep(3)
        self.assertTrue(self.is_running(child))
        harness.eventually(lambda: not self.is_running(child), 20, 'its end')

    @unittest.skipIf(os.geteuid() != 0, 'needs root to become another user')
    def test_closes_that_wait_without_the_closing_process(self):
        """It is killed, before or while it makes closes of its clients' wait: these hold up no others."""
        for when in ('leaves-later', 'leaves'):
            with self.subTest(when=when):
                client = self.holder(20, when)
                self.kill_closing_process()
                if when == 'leaves-later':
                    client.send(b'\n')
                    client.expect('^left 20$')
                for _ in range(20):
                    began = time.monotonic()
                    self.daemon.statistics()
                    self.assertLess(time.monotonic() - began, 1 * PATIENCE)
                self.daemon.expect_log('the process that closes what clients share with this one is gone')
                client.close_stdin()
                client.wait()
                self.check_end(self.daemon.stop)

    def test_without_the_closing_process(self):
        """It is killed: the daemon says so and closes what it has itself."""
        server = self.application('tests/system/api_server', 'event', 1, '-', 'create', f'http://localhost:{harness.free_port()}/')
        server.expect('^ready$')
        self.kill_closing_process()
        self.check_answers()
        server.kill()
        self.daemon.expect_log('the process that closes what clients share with this one is gone')
        port = harness.free_port()
        server = self.application('tests/system/api_server', 'event', 1, '-', 'create', f'http://localhost:{port}/')
        server.expect('^ready$')
        self.assertEqual(self.connect(port, plain=True).get('/plain').status, 200)
        server.kill()
        harness.eventually(lambda: self.daemon.statistics()['sessions'] == 1, 10, 'the end of its session')
        self.check_end(self.daemon.stop)

    def test_memory_that_goes_away(self):
        """Whoever looks at a page waits while it is taken away. The daemon does not look before that is impossible."""
        client = self.waiting_client('takes-away')
        self.check_answers()
        self.assertEqual(self.outcome(client), ('cut off', NOT_SEALED))
        self.daemon.expect_log(r'pid \d+ \(waiting_client, uid \d+\) is cut off: it kicked before it had sealed its half of the channel')
        self.check_answers()

    def test_memory_that_is_moved(self):
        """Whoever looks at a page waits while the kernel copies it, with others, into a huge one. It moves none of a channel, also when the
        client has put other pages there before it sealed it."""
        for what in ('sealed', 'replaced'):
            with self.subTest(what=what):
                self.assertEqual(self.outcome(self.waiting_client('collapse', what)), ('moved', 0))

    def test_a_bell_that_is_watched_everywhere(self):
        """A ring wakes whatever waits for it, as much as its client likes."""
        client = self.waiting_client('watched', WATCHES)
        self.check_answers()
        self.assertEqual(self.outcome(client), ('cut off', BELL))
        self.daemon.expect_log(r'is cut off: its bell is watched in so many places that it takes too long to ring it')
        self.check_answers()


if __name__ == '__main__':
    harness.main()
