#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that note each request as they receive it are killed under load: what a killed worker had not received another one answers, what
it had received ends with its connection, none is received twice, and memory does not grow. (test_crash.py kills in every mode and at every
step of a worker's life.) HTTPSYS_CRASH_SEED draws the same moments again, HTTPSYS_CRASH_SECONDS makes the run longer.

None is let off. Received is what the library has published (cq_head), just before the worker can see it: a kill in between takes a request
that the worker could not yet note. So the test keeps the memory of each worker's channel (witness.py) and reads there, when the worker is
dead, which requests its library had taken: each connection that ended has to be that of one of these, noted or not, and each of these that
nobody answered has to be an ended connection."""

import collections
import os
import random
import threading
import time

import harness
from application import ApiTest
from processes import PATIENCE, WAIT, eventually
from witness import Witness

SEED = int(os.environ.get('HTTPSYS_CRASH_SEED', random.randrange(1 << 32)))
SECONDS = float(os.environ.get('HTTPSYS_CRASH_SECONDS', 6 if PATIENCE == 1 else 4))
# What is the same before and after. Memory is looked at apart, blocks too: the last that a worker hands back may be seen with its next
# request.
KEPT = ('sessions', 'channels', 'irps_pending', 'handles', 'connections', 'requests_queued', 'request_queues', 'url_groups', 'urls',
        'descriptors')
STAY = 4   # threads of the workers that are not killed
MEMORY = 4 << 20   # what the heap of a daemon under load may differ by


class Visitor(threading.Thread):
    """Asks one thing after the other on kept connections, each path once, and notes how each ended: (path, the body or None)."""

    def __init__(self, test, port, name):
        super().__init__(daemon=True)
        self.test, self.port, self.name = test, port, name
        self.outcomes, self.error, self.is_over = [], None, threading.Event()

    def run(self):
        try:
            connection, number = None, 0
            while not self.is_over.is_set():
                connection = connection or self.test.connect(self.port, plain=True)
                number += 1
                path = f'/plain?{self.name}-{number}'
                body = self.ask(connection, path)
                self.outcomes.append((path, body))
                if body is None:
                    connection.close()
                    connection = None
            if connection:
                connection.close()
        except Exception as error:   # to be shown by the test's own thread
            self.error = error

    @staticmethod
    def ask(connection, path):
        try:
            response = connection.get(path)
        except (ConnectionResetError, BrokenPipeError, EOFError):
            return None
        if response.status != 200:
            raise AssertionError(f'{path}: {response}')
        return response.body.decode()

    def end(self):
        self.is_over.set()
        self.join(60 * WAIT)
        if self.error:
            raise self.error
        if self.is_alive():
            raise AssertionError(f'{self.name}: the request after {self.outcomes[-1:]} is not answered')


class WorkersDie(ApiTest):
    def setUp(self):
        self.random = random.Random(SEED)
        self.port, self.other_port = harness.free_port(), harness.free_port()
        self.queue = f'crash-{self.port}'
        begin = time.monotonic()
        self.creator = self.worker(f'http://localhost:{self.port}/')
        self.creator.expect('^ready$')
        # Of three workers each lives for three of these on average, and has to come to serve on a slow machine, too.
        self.pause = 0.06 * min(3, max(1, (time.monotonic() - begin) / 0.05))
        self.start('event', f'http://localhost:{self.other_port}/', threads=2)
        self.workers, self.kills, self.dead = [], 0, {}   # dead: by pid what they had received

    def worker(self, *url):
        witness = Witness()
        worker = self.application('tests/system/crash_worker', 2, 3000, self.queue, *url, environment=witness.environment,
                                  pass_fds=witness.pass_fds)
        witness.seal()
        worker.witness = witness
        return worker

    def bury(self, worker):
        """Kills it; what it had received until then."""
        worker.kill()
        self.end_application(worker)
        self.dead[str(worker.pid)] = worker.witness.account()

    def load(self, seconds, name):
        """Kills for so long; the outcomes of the visitors to the shared queue and to the other application."""
        visitors = [Visitor(self, self.port, f'{name}-{i}') for i in range(8)]
        others = [Visitor(self, self.other_port, f'{name}-other-{i}') for i in range(2)]
        for visitor in visitors + others:
            visitor.start()
        self.workers = [self.worker() for _ in range(3)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.random.uniform(0, self.pause))
            at = self.random.randrange(len(self.workers))
            self.bury(self.workers[at])
            self.kills += 1
            self.workers[at] = self.worker()
        for visitor in visitors + others:
            visitor.end()
        for worker in self.workers:
            self.bury(worker)
        return [pair for visitor in visitors for pair in visitor.outcomes], [pair for visitor in others for pair in visitor.outcomes]

    def look(self):
        """The statistics, after a while in which the session of the last look is gone."""
        time.sleep(0.2)
        return self.daemon.statistics()

    def at_rest(self):
        """The statistics when each of the threads that stay waits for a request, and twice the same."""
        def rests():
            first, second = self.look(), self.look()
            return second if second['irps_pending'] == STAY and all(first[key] == second[key] for key in KEPT) else None
        return eventually(rests, 10, 'the receives')

    def settled(self, before):
        """The statistics, once what is counted is as it was before."""
        now = {}

        def is_settled():
            now.update(self.look())
            return all(now[key] == before[key] for key in KEPT) and now['blocks_lent'] <= STAY
        eventually(is_settled, 10, lambda: f'the statistics of before: {before}, but {now}')
        return now

    def test_kills(self):
        before = self.at_rest()
        warm = self.load(SECONDS / 4, 'warm')
        first = self.settled(before)
        kills = self.kills
        then = self.load(SECONDS * 3 / 4, 'then')
        last = self.settled(before)
        mine, others = warm[0] + then[0], warm[1] + then[1]
        ended, unnoted, offered = self.check_received(mine)
        print(f'seed {SEED}: {self.kills} kills, {len(mine)} requests, {ended} received by a worker that was killed, {unnoted} of '
              f'them before it could say so, {offered} handed to one that had not received them and answered by others, 0 received twice, '
              f'0 lost; {len(others)} of another application, all answered; resident '
              f'{before["resident_bytes"] >> 10} KiB, {first["resident_bytes"] >> 10} after {kills} kills, '
              f'{last["resident_bytes"] >> 10} at the end; {last["descriptors"]} descriptors as before', flush=True)
        self.assertEqual([path for path, body in others if body is None], [], 'of another application')
        self.assertGreater(self.kills, SECONDS / PATIENCE / 2)
        self.assertGreater(ended, self.kills / 20, 'the kills come when nothing is received')
        if PATIENCE == 1:   # a sanitizer keeps what was freed
            self.assertLess(last['resident_bytes'], first['resident_bytes'] + MEMORY)

    def check_received(self, outcomes):
        """The account of all requests; how many ended, how many of these nobody had noted, how many were taken back from the dead."""
        self.creator.kill()   # its ring has come round: its notes say it all, since it had time for them
        by_creator = self.creator.witness.account().noted
        noted = collections.defaultdict(list)   # who says so, by path
        for path in by_creator.values():
            noted[path].append(str(self.creator.pid))
        for pid, account in self.dead.items():
            for path in account.noted.values():
                noted[path].append(pid)
        # What the libraries of the killed had taken and they themselves had not noted.
        unnoted, receivers, offered = [], collections.Counter(), {}
        for pid, account in self.dead.items():
            self.assertTrue(account.is_whole, f'{pid} has lived too long')
            self.assertEqual([path for request, path in account.noted.items() if request not in account.received], [],
                             f'{pid} was shown what is not published as received')
            unnoted += [path for request, path in account.received.items() if request not in account.noted]
            receivers.update(account.received.keys())
            offered.update(account.offered)
        receivers.update(by_creator.keys())
        ended = [path for path, body in outcomes if body is None]
        unseen = [path for path in ended if not noted[path]]
        self.assertEqual([path for path, pids in noted.items() if len(pids) > 1], [], 'received twice')
        self.assertEqual([request for request, count in receivers.items() if count > 1], [], 'taken by two libraries')
        self.assertEqual([path for path, body in outcomes if body is not None and body not in noted[path]], [], 'answered by another')
        self.assertEqual([path for path in ended if noted[path] == [str(self.creator.pid)]], [], 'its worker lived')
        self.assertEqual([path for request, path in offered.items() if not receivers[request]], [], 'offered to the dead and to no other')
        self.assertEqual(len(unseen), len(unnoted), f'ended: {unseen}, taken by the libraries of the dead: {unnoted}')
        self.assertLessEqual({path for path in unnoted if path}, set(unseen))
        return len(ended), len(unnoted), len(offered)


if __name__ == '__main__':
    harness.main()
