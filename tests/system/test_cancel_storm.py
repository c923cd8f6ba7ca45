#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A storm of cancellations on real connections (storm.cpp): whatever is cancelled when, every call completes once, every request is
received once, and no visitor gets anything but an answer of the application's, the daemon's 503 or the end of its connection."""

import collections
import random
import threading
import time

import harness


class Visitor(threading.Thread):
    """One client after another, each with a way of its own, until it is stopped."""

    def __init__(self, test, port, seed):
        super().__init__()
        self.test, self.port, self.random = test, port, random.Random(seed)
        good = test.certificates.clients['good']
        self.ways = [dict(version='1.3', credential=good, post_handshake=True), dict(version='1.2', credential=good),
                     dict(version='1.3'), dict(version='1.2')]
        self.statuses = collections.Counter()
        self.error = None
        self.is_stopped = False

    def run(self):
        while not self.is_stopped:
            try:
                with self.test.connect(self.port, limit=20, **self.random.choice(self.ways)) as connection:
                    self.visit(connection)
            except TimeoutError as error:
                self.error = error
                return
            except (OSError, EOFError):   # ssl.SSLError is one too
                self.statuses['ended'] += 1
            except Exception as error:   # what must not be: the thread's end would say nothing
                self.error = error
                return

    def visit(self, connection):
        for _ in range(self.random.randrange(1, 20)):
            if self.is_stopped:
                return
            body = b'b' * self.random.choice((0, 0, 10, 30000))
            head = b'%s / HTTP/1.1\r\nHost: localhost\r\n' % (b'POST' if body else b'GET')
            connection.send(head + (b'Content-Length: %d\r\n' % len(body) if body else b'') + b'\r\n' + body[:5])
            if self.random.random() < 0.05:
                return connection.reset()
            if body:
                time.sleep(self.random.choice((0, 0, 0.02)))
                connection.send(body[5:])
            response = connection.response()
            self.statuses[response.status] += 1
            if (response.header('Connection') or '').lower() == 'close':
                return


class CancelStorm(harness.SystemTest):
    ROUNDS = 8
    VISITORS = 8

    def test_storm(self):
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}')
        program = self.application('tests/system/storm', f'https://localhost:{port}/', self.ROUNDS)
        program.expect('^ready')
        visitors = [Visitor(self, port, seed) for seed in range(self.VISITORS)]
        for visitor in visitors:
            visitor.start()
        try:
            program.expect('^calm', 60)
        finally:
            for visitor in visitors:
                visitor.is_stopped = True
            for visitor in visitors:
                visitor.join()
        statuses = sum((visitor.statuses for visitor in visitors), collections.Counter())
        for visitor in visitors:
            self.assertIsNone(visitor.error, program.describe())
        self.assertLessEqual(set(statuses), {200, 503, 'ended'}, program.describe())
        self.assertGreater(statuses[200], 50, program.describe())
        program.send('\n')
        program.expect('^open')
        with self.connect(port) as connection:
            self.assertEqual(connection.get('/').status, 200)
        self.assertEqual(program.wait(20), 0, program.describe())
        program.expect('^done')


if __name__ == '__main__':
    harness.main()
