#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers and the daemon end at the worst moment: what was not received goes to another worker, what was received is reset, and
nothing hangs."""

import json
import select
import signal

import harness
from application import MODES, ApiTest
from processes import Within, eventually


class DeathTest(ApiTest):
    def until_requests(self, delivered, queued):
        def numbers():
            now = self.daemon.statistics()
            return now['requests_delivered'], now['requests_queued']
        eventually(lambda: numbers() == (delivered, queued), 10,
                   lambda: f'{delivered} requests with workers and {queued} that wait, but {numbers()}')


class Workers(DeathTest):
    def start_pair(self, mode='event', threads=2):
        """(port, creator, second worker) of one named queue."""
        port = harness.free_port()
        name = f'queue-{port}'
        creator = self.start(mode, f'http://localhost:{port}/', queue=name, threads=threads)
        return port, creator, self.start(mode, queue=name, role='open', threads=threads)

    def send(self, port, path):
        connection = self.connect(port, plain=True)
        connection.send(f'GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n')
        return connection

    def test_what_a_dead_worker_had_not_received(self):
        """A stopped process receives nothing: what it was handed goes to the other worker when it is killed."""
        for mode in MODES:
            with self.subTest(mode=mode):
                eventually(lambda: self.daemon.statistics()['sessions'] == 1, 10, 'the end of earlier workers')
                port, creator, worker = self.start_pair(mode)
                eventually(lambda: self.daemon.statistics()['irps_pending'] == 4, 10, 'the receives of both and of nobody else')
                worker.stop()
                connections = [self.send(port, '/plain') for _ in range(20)]
                # One for each of its receives lies in its ring, in no queue, and nobody answers it; the creator answers the others.
                eventually(lambda: self.count_answered(connections) == 18, 10, '18 answers')
                self.until_requests(2, 0)   # those that are answered take a moment to end
                self.assertEqual(self.count_answered(connections), 18)
                worker.kill()
                pids = [json.loads(connection.response().body)['pid'] for connection in connections]
                self.assertEqual(pids, [creator.popen.pid] * 20)
                creator.kill()

    @staticmethod
    def count_answered(connections):
        return len(select.select([connection.socket for connection in connections], [], [], 0)[0])

    def kill_and_see(self, worker, connections):
        """Kills a worker that has one of their requests, of which the connection ends within a second; the others."""
        with Within(1, 'the end of the connection whose worker was killed'):
            worker.kill()
            eventually(lambda: self.count_answered(connections), 10, 'the end of a connection')
        ended, = [connection for connection in connections if self.count_answered([connection])]
        self.assertTrue(ended.is_closed_by_peer())
        return [connection for connection in connections if connection is not ended]

    def test_what_a_dead_worker_had_received(self):
        port, creator, worker = self.start_pair(threads=1)
        creator.stop()
        mark = self.mark()
        connections = [self.send(port, f'/hold?until={mark}') for _ in range(2)]
        worker.expect('^holding$')
        other, = self.kill_and_see(worker, connections)
        creator.signal(signal.SIGCONT)
        creator.expect('^holding$')
        self.daemon.expect_log('Connection_Abandoned_By_ReqQueue')
        self.release(mark)
        self.assertEqual(json.loads(other.response().body)['pid'], creator.popen.pid)

    def test_creator_dies(self):
        """Its URLs go with it; what waits in the queue still goes to the other worker."""
        port, creator, worker = self.start_pair(threads=1)
        mark = self.mark()
        busy = [self.send(port, f'/hold?until={mark}') for _ in range(2)]
        creator.expect('^holding$')
        worker.expect('^holding$')
        waiting = [self.send(port, '/plain') for _ in range(5)]
        self.until_requests(2, 5)
        others = self.kill_and_see(creator, busy)
        self.release(mark)
        for connection in others + waiting:
            self.assertEqual(json.loads(connection.response().body)['pid'], worker.popen.pid)

        def is_gone():
            try:
                with self.connect(port, plain=True) as connection:
                    return connection.get('/plain').status in (400, 404)
            except (ConnectionError, EOFError):   # the port is closed, or was with us in its backlog
                return True
        eventually(is_gone, 5, 'the URL to go')

    def test_last_worker_dies(self):
        port = harness.free_port()
        application = self.start('event', f'http://localhost:{port}/', threads=1)
        busy = self.send(port, '/hold')
        application.expect('^holding$')
        waiting = self.send(port, '/plain')
        self.until_requests(1, 1)
        application.kill()
        self.assertEqual(waiting.response().status, 503)
        self.assertTrue(busy.is_closed_by_peer())

    def test_pending_certificate_call(self):
        port, application = self.start_https('event')
        connection = self.connect(port, version='1.3', post_handshake=True)
        self.until_calls(4, 0)
        connection.send('GET /certificate HTTP/1.1\r\nHost: localhost\r\n\r\n')
        self.until_calls(4)   # it and three receives
        application.kill()
        self.assertTrue(connection.is_closed_by_peer())

    def test_a_queue_of_another_name(self):
        application = self.application('tests/system/api_server', 'event', 1, 'nobody-made-this', 'open')
        self.assertEqual(application.wait(), 1)
        application.expect('with 2: .*there is no request queue named "nobody-made-this"', stream='stderr')

    def test_a_url_twice(self):
        port, _application = self.start_http('event')
        other = self.application('tests/system/api_server', 'event', 1, '-', 'create', f'http://localhost:{port}/')
        self.assertEqual(other.wait(), 1)
        other.expect(r'with 183: .*is registered by pid \d+ \(api_server', stream='stderr')


class DaemonDrains(DeathTest):
    config = {'timeouts': {'Shutdown': 60}}

    def test_sigterm(self):
        """What is with the application is answered, what waits in a queue gets 503 before that, then the daemon ends with status 0."""
        port, application = self.start_http('event', threads=1)
        busy, waiting = [self.connect(port, plain=True) for _ in range(2)]
        mark = self.mark()
        busy.send(f'GET /hold?until={mark} HTTP/1.1\r\nHost: localhost\r\n\r\n')
        application.expect('^holding$')
        waiting.send('GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n')
        self.until_requests(1, 1)
        self.daemon.process.signal(signal.SIGTERM)
        self.assertEqual(waiting.response().status, 503)
        self.release(mark)
        self.assertEqual(busy.response().status, 200)
        self.assertEqual(self.daemon.process.wait(5), 0)
        self.daemon.start()


class DaemonDies(DeathTest):
    exit_status = None

    def test_pending_calls_end(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                port, application = self.start_http(mode, threads=8)
                waiting = self.connect(port, plain=True)
                waiting.send('GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n')
                self.until_calls(8)   # seven receives and the wait for the disconnect
                with Within(1, 'the end of pending calls'):
                    self.daemon.kill()
                    application.wait(5)
                self.assertEqual(application.stdout.text().count('receive ended '), 8, application.describe())
                self.daemon.start()


if __name__ == '__main__':
    harness.main()
