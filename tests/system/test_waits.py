#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that try to make the daemon wait for them: it answers others meanwhile, and when it is killed it is gone."""

import time

import harness
from processes import PATIENCE

NOT_SEALED, BELL = 9, 10   # hsys_revocation
MOST = 4                   # seconds that an answer of all cores may take: the ring's fuzz harness calls five a hang
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
        found = client.expect(r'^(hangs|cut off|not cut off|not tried:.*?) (\d+)$', 60)
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

    def test_memory_that_goes_away(self):
        """Whoever looks at a page waits while it is taken away. The daemon does not look before that is impossible."""
        client = self.waiting_client('takes-away')
        self.check_answers()
        self.assertEqual(self.outcome(client), ('cut off', NOT_SEALED))
        self.daemon.expect_log(r'pid \d+ \(waiting_client, uid \d+\) is cut off: it kicked before it had sealed its half of the channel')
        self.check_answers()

    def test_a_bell_that_is_watched_everywhere(self):
        """A ring wakes whatever waits for it, as much as its client likes."""
        client = self.waiting_client('watched', WATCHES)
        self.check_answers()
        self.assertEqual(self.outcome(client), ('cut off', BELL))
        self.daemon.expect_log(r'is cut off: its bell is watched in so many places that it takes too long to ring it')
        self.check_answers()


if __name__ == '__main__':
    harness.main()
