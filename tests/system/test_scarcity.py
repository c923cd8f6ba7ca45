#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon runs short of memory or of descriptors: who is served goes on being served, who comes is refused with the right code or waits,
the log says so, and when there is enough again everybody gets in and nothing is left behind."""

import os
import resource
import signal
import time
import unittest

import harness
from load import THREADS, LoadTest, Timed
from processes import eventually

SANITIZED = os.environ.get('HTTPSYS_SANITIZE', 'none') != 'none'
UPLOADS = 400
UPLOAD_BYTES = 400000
EACH_UPLOAD = 150 << 10   # of those bytes, once there are too many: SECURITY.md
OTHERS = 16 << 20


class Scarcity(LoadTest):
    def setUp(self):
        self.port = harness.free_port()
        self.start('event', f'http://localhost:{self.port}/', threads=THREADS)
        self.before = self.settled(THREADS)
        self.stop, self.clients = self.start_clients(self.port, 2, kind=Timed)

    def limit(self, which, value):
        """Of the running daemon; the limit that it had."""
        soft, hard = resource.prlimit(self.daemon.process.pid, which)
        resource.prlimit(self.daemon.process.pid, which, (value, hard))
        return soft

    def start_refused(self, code):
        """(port, worker): one that has been refused with that code, in each of several tries."""
        port = harness.free_port()
        worker = self.application('tests/system/reconnecting_worker', THREADS, f'queue-{port}', f'http://localhost:{port}/')
        for _ in range(5):
            worker.expect(f'^refused {code}$')
        return port, worker

    def check_served(self, worker, port):
        worker.expect('^serving 1$')
        with self.connect(port, plain=True) as connection:
            self.assertEqual(int(connection.get('/').body), worker.pid)

    def check_others(self, what):
        """They were served all the time; nothing is left of the others."""
        self.stop.set()
        for client in self.clients:
            client.join()
        times = sorted(time for client in self.clients for time in client.seconds)
        print(f'{what}: {len(times)} answers of another application, p99 {times[len(times) * 99 // 100] * 1000:.1f} ms', flush=True)
        self.assertEqual([(client.wrong, client.counts['ended']) for client in self.clients], [([], 0)] * 2)
        self.assertGreater(len(times), 20)
        self.check_leftovers(self.before)


class OutOfDescriptors(Scarcity):
    """Beyond what the daemon expects: test_many.py has its own count of connections. With so low a limit it accepts one at a time; an
    accept that takes many keeps the limit of the moment in which it began."""
    prefix = ('prlimit', '--nofile=1024:1024')

    SESSION = 2   # descriptors: its socket, and its process

    def open_descriptors(self):
        """The daemon's, once everything that has ended is closed: the same several times."""
        def numbers():
            if os.getuid() == 0:   # the folder is root's alone
                return frozenset(map(int, os.listdir(f'/proc/{self.daemon.process.pid}/fd')))
            return frozenset(range(self.daemon.statistics()['descriptors'] - self.SESSION))

        def settled():
            looks = set()
            for _ in range(4):
                looks.add(numbers())
                time.sleep(0.1)
            return looks.pop() if len(looks) == 1 else None
        return eventually(settled, 10, 'the descriptors of the daemon to stay the same')

    def leave(self, count, taken):
        """Room for so many more: new ones get the lowest numbers, all of them below the limit. The limit before."""
        limit = max(limit for limit in range(1024) if limit - sum(number < limit for number in taken) == count)
        return self.limit(resource.RLIMIT_NOFILE, limit)

    def test_applications_and_connections(self):
        eventually(lambda: self.daemon.statistics()['connections'] == 2, 10, 'the clients')
        taken = self.open_descriptors()
        before = self.leave(self.SESSION + 1, taken)   # and one half of its channel
        port, worker = self.start_refused(4)
        self.daemon.expect_log(rf'pid {worker.pid} \(reconnecting_wo.*gets no channel: .*TOO_MANY_OPENED_FILES')
        # With none left who connects waits, and the log says so once.
        logged = len(self.daemon.log())
        self.leave(0, taken)
        waiting = [self.connect(self.port, plain=True) for _ in range(20)]
        for connection in waiting:
            connection.send('GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n')
        self.daemon.expect_log(rf'accept on .*:{self.port} fails \(TOO_MANY_OPENED_FILES\)')
        time.sleep(1)
        self.limit(resource.RLIMIT_NOFILE, before)
        for connection in waiting:
            self.assertEqual(connection.response().status, 200)
            connection.close()
        self.check_served(worker, port)
        self.daemon.expect_log(rf':{self.port} accepts again after')
        fails = [line for line in self.daemon.log()[logged:].splitlines() if f':{self.port} fails' in line]
        self.assertEqual(len(fails), 1, fails)
        worker.kill()
        self.check_others('descriptors')


@unittest.skipIf(SANITIZED, 'a sanitizer needs addresses without limit')
class OutOfMemory(Scarcity):
    # So little that what malloc has reserved is enough for all uploads.
    config = {'limits': {'ConnectionBufferBytesTotal': 1 << 20}}
    kept = 100 << 20

    def limit_memory(self):
        """Memory for connections and requests there is, what malloc has reserved; for the arenas of a channel there is not."""
        with open(f'/proc/{self.daemon.process.pid}/statm', encoding='ascii') as file:
            pages = int(file.read().split()[0])
        self.limit(resource.RLIMIT_AS, pages * resource.getpagesize() + (1 << 20))

    def start_uploads(self):
        """To a worker that stands still."""
        self.stopped_port = harness.free_port()
        self.stopped = self.start('event', f'http://localhost:{self.stopped_port}/', threads=THREADS)
        self.stopped.stop()
        self.limit_memory()
        body = b'x' * UPLOAD_BYTES
        head = f'POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n'.encode()
        connections = []
        for _ in range(UPLOADS):
            connections.append(self.connect(self.stopped_port, plain=True))
            connections[-1].socket.settimeout(0.05)
            try:
                connections[-1].socket.sendall(head + body)
            except TimeoutError:   # more is not taken
                pass
        return connections

    def test_applications(self):
        self.limit_memory()
        port, worker = self.start_refused(8)
        self.daemon.expect_log(rf'pid {worker.pid} \(reconnecting_wo.*gets no channel: .*NO_MEMORY')
        refused = self.application('tests/system/api_server', 'event', 1, '-', 'create', f'http://localhost:{harness.free_port()}/')
        self.assertEqual(refused.wait(), 1)
        refused.expect(r'HttpInitialize failed with 8: .*ERROR_NOT_ENOUGH_MEMORY', stream='stderr')
        crowd = [self.connect(self.port, plain=True) for _ in range(200)]
        for connection in crowd:
            self.ask(connection, '/plain')
            connection.close()
        self.assertIn('SSL Certificate bindings', self.ctl('show', 'sslcert'))
        self.limit(resource.RLIMIT_AS, resource.RLIM_INFINITY)
        self.check_served(worker, port)
        worker.kill()
        self.check_others('memory')

    def test_uploads(self):
        """ConnectionBufferBytesTotal holds for clients that send all they have at once, too."""
        before = self.daemon.statistics()['resident_bytes']
        uploads = self.start_uploads()
        self.daemon.expect_log('more than its part of ConnectionBufferBytesTotal')
        # Nobody is cut off.
        eventually(lambda: self.daemon.statistics()['connections'] >= UPLOADS, 10, f'{UPLOADS} uploads to be accepted')
        time.sleep(0.5)
        now = self.daemon.statistics()
        self.assertGreaterEqual(now['connections'], UPLOADS)
        print(f'{UPLOADS} uploads of {UPLOAD_BYTES} bytes: {now["resident_bytes"] - before >> 10} KiB more', flush=True)
        self.assertLess(now['resident_bytes'] - before, UPLOADS * EACH_UPLOAD + OTHERS)
        for connection in uploads:
            connection.close()
        self.stopped.signal(signal.SIGCONT)
        with self.connect(self.stopped_port, plain=True) as connection:
            self.ask(connection, '/plain')
        self.stopped.kill()
        self.limit(resource.RLIMIT_AS, resource.RLIM_INFINITY)
        self.check_others(f'{UPLOADS} uploads')


if __name__ == '__main__':
    harness.main()
