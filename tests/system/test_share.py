#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that flood their rings take no more than their share of a core. share.cpp fills the longest rings of several clients at once and
counts how much of that the daemon does before it answers somebody else: a client with one entry, and one on the network. With turns that
are two for each of the others, or some more when the core does not look at the network in each; without them it is whole rings. What is
counted is the daemon's order of work, so it does not matter how fast the machine is. Who has the processor does matter: while share.cpp
has not, more is done before it sees its answer. So daemon and share.cpp have a processor each, share.cpp asks for its own before others
while it counts, and a quarter of all rounds has to be without such a pause, in one of some runs. tools/bench/victim tells in milliseconds
what an application notices, on a quiet machine."""

import os
import unittest

import harness
from application import ApiTest
from processes import Process

CLIENTS, ENTRIES = 4, 4096   # share.cpp
TURN = 64                    # kernel/limits.h: entries of one client, then the others have their turn
MOST = 4 * CLIENTS * TURN    # a quarter of what one ring holds
ROUNDS, RUNS = 40, 8
PROCESSORS = sorted(os.sched_getaffinity(0))


@unittest.skipIf(len(PROCESSORS) < 2, 'needs two processors')
class Share(ApiTest):
    prefix = ('taskset', '-c', str(PROCESSORS[0]))

    def run_share(self, port):
        """Of both, the lower quartile of what was done before the answer."""
        words = ['taskset', '-c', PROCESSORS[-1], os.path.join(harness.build_folder(), 'tests/system/share')]
        share = self.peer(Process([*words, self.daemon.socket, self.daemon.process.pid, port, CLIENTS, ROUNDS],
                                  {'HTTPSYS_SOCKET': self.daemon.socket}, name='share'))
        self.assertEqual(share.wait(60), 0, share.describe())
        rounds = [list(map(int, line.split())) for line in share.stdout.text().splitlines()]
        self.assertEqual(len(rounds), ROUNDS)
        return [sorted(column)[ROUNDS // 4] for column in zip(*rounds)]

    def test_full_rings(self):
        port, _application = self.start_http('event')
        for run in range(RUNS):
            entry, request = self.run_share(port)
            if max(entry, request) <= MOST:
                break
        print(f'{CLIENTS} rings with {ENTRIES} entries each: {entry} are done before the entry of another client is answered, {request} '
              f'before a request (run {run + 1})', flush=True)
        self.assertLessEqual(entry, MOST)
        self.assertLessEqual(request, MOST)


if __name__ == '__main__':
    harness.main()
