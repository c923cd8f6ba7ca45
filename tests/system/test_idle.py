#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that hold all connections there may be, and do nothing with them, keep nobody out: whoever has been idle longest makes room for
who waits. A request that has begun, or is being answered, is not idle."""

import contextlib
import re
import select
import socket
import time

import harness
from application import ApiTest
from processes import WAIT, Within, eventually

PLACES = 24
PORTS = 50
VISITS = 20
MADE_ROOM = 'Idle, made room'


class Idle(ApiTest):
    config = {'limits': {'MaxConnections': PLACES}}

    def setUp(self):
        self.http, self.application_http = self.start_http('event', threads=16)
        self.https, self.application_https = self.start_https('event')
        self.made_room = self.counted()

    def counted(self):
        return int(re.search(rf'^    {MADE_ROOM} +: (\d+)$', self.ctl('show', 'statistics'), re.M).group(1))

    def is_full(self):
        return self.daemon.statistics()['connections'] >= PLACES

    def fill(self, crowd, attack):
        """Takes all places: as many as were free, or are made free for these."""
        def take():
            crowd.append(attack())
            return self.is_full()
        eventually(take, 10, 'as many connections as there may be')

    def silent(self, port):
        client = socket.create_connection(('127.0.0.1', port), 10 * WAIT)
        self.addCleanup(client.close)
        return client

    def asking(self, port, plain):
        connection = self.connect(port, plain=plain)
        self.ask(connection, '/plain')
        return connection

    def attackers(self):
        return {'silence': lambda: self.silent(self.http),
                'silence where TLS is served': lambda: self.silent(self.https),
                'silence behind a handshake': lambda: self.connect(self.https),
                'silence behind a request': lambda: self.asking(self.http, True),
                'silence behind a request over TLS': lambda: self.asking(self.https, False)}

    def test_attacks(self):
        for name, attack in self.attackers().items():
            for kind, port in (('http', self.http), ('https', self.https)):
                with self.subTest(attack=name, honest=kind):
                    before, logged = self.counted(), len(self.daemon.log())
                    crowd = []
                    slowest = 0
                    for _ in range(VISITS):
                        self.fill(crowd, attack)
                        begin = time.monotonic()
                        with Within(0.5, 'an answer to a new client'):
                            with self.connect(port, plain=kind == 'http') as honest:
                                self.ask(honest, '/plain')
                            slowest = max(slowest, time.monotonic() - begin)
                    print(f'{name}, {kind}: {slowest * 1000:.1f} ms at most', flush=True)
                    self.assertGreaterEqual(self.counted() - before, VISITS)
                    self.assertIn('closed to make room, it was idle for', self.daemon.log()[logged:])
                    for client in crowd:
                        client.close()
                    eventually(lambda: self.daemon.statistics()['connections'] == 0, 10, 'all to have gone')
        self.assertIn(f'{PLACES} connections are open, as many as MaxConnections', self.daemon.log())

    def test_used_ones_stay(self):
        """Of two kept-alive connections that are used now and then, neither goes while others have been idle for longer."""
        kept = [self.asking(self.http, True), self.asking(self.https, False)]
        crowd = []
        for _ in range(3 * PLACES):
            self.fill(crowd, lambda: self.silent(self.http))
            for connection in kept:
                self.ask(connection, '/plain')
            crowd.append(self.asking(self.http, True))
            time.sleep(0.12)   # one at a time
        self.assertGreaterEqual(self.counted() - self.made_room, 2 * PLACES)
        for connection in kept:
            self.ask(connection, '/plain')

    def test_busy_ones_stay(self):
        """All places are taken by requests: at the application, or a byte of them, or a byte of a handshake. Who comes then waits."""
        mark = self.mark()
        held = [self.connect(self.http, plain=True) for _ in range(8)]
        for connection in held:
            connection.send(f'GET /hold?until={mark} HTTP/1.1\r\nHost: localhost\r\n\r\n')
        begun = [self.connect(self.http, plain=True) for _ in range(PLACES)]
        for connection in begun:
            connection.send('G')
        hello = self.silent(self.https)
        hello.send(b'\x16')
        eventually(self.is_full, 10, 'as many connections as there may be')
        honest = self.connect(self.http, plain=True)
        honest.send('GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n')
        time.sleep(1)
        busy = [connection.socket for connection in (*held, *begun, honest)] + [hello]
        self.assertEqual(select.select(busy, [], [], 0)[0], [])
        self.assertEqual(self.counted(), self.made_room)
        self.release(mark)
        for connection in held:
            self.assertEqual(connection.response().status, 200)
        # One after the other is idle now, and those behind them in the backlog get in: the rest of the begun ones, then the honest client.
        for connection in begun:
            connection.send('ET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n')
        for connection in (*begun, honest):
            self.assertEqual(connection.response().status, 200)
        self.assertEqual(select.select([hello], [], [], 0)[0], [])

    def crowd_at_many_ports(self, each):
        """(application, connections that hold all places, statistics before, a crowd with so many for each of its ports): each listening
        socket that began to accept before the places were short has taken one."""
        eventually(lambda: self.daemon.statistics()['connections'] == 0, 10, 'the connections of other tests to have gone')
        self.without_ports = self.daemon.statistics()['descriptors']
        ports = [harness.free_port() for _ in range(PORTS)]
        application = self.start('event', *(f'http://localhost:{port}/' for port in ports), threads=16)
        held = [self.connect(self.http, plain=True) for _ in range(PLACES)]
        for connection in held:
            connection.send('G')   # nobody is idle
        eventually(self.is_full, 10, 'as many connections as there may be')
        before = self.daemon.statistics()
        crowd = [self.connect(port, plain=True) for port in ports for _ in range(each)]
        for connection in crowd:
            connection.send('GET /plain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        eventually(lambda: self.daemon.statistics()['descriptors'] >= before['descriptors'] + PORTS, 10, 'the accepts that were under way')
        return application, held, before, crowd

    def test_many_ports(self):
        """Whom accepts bring that were under way when the last place was taken waits for a place like others."""
        _application, held, before, crowd = self.crowd_at_many_ports(2)
        most = descriptors = 0

        def look():
            nonlocal most, descriptors
            now = self.daemon.statistics()
            most, descriptors = max(most, now['connections']), max(descriptors, now['descriptors'])
        for _ in range(10):
            time.sleep(0.05)
            look()
        self.assertEqual((most, descriptors - before['descriptors']), (PLACES, PORTS))
        self.assertEqual(select.select([connection.socket for connection in crowd], [], [], 0)[0], [])
        self.assertEqual(self.counted(), self.made_room)
        for connection in held[:2]:
            connection.close()
        while crowd:
            with Within(10, 'a turn of somebody'):
                answered = select.select([connection.socket for connection in crowd], [], [], 10 * WAIT)[0]
            for connection in [one for one in crowd if one.socket in answered]:
                self.assertEqual(connection.response().status, 200)
                connection.close()
                crowd.remove(connection)
            look()
        self.assertEqual(most, PLACES)

    def test_many_ports_close(self):
        """And goes with the port."""
        application, _held, _before, crowd = self.crowd_at_many_ports(1)
        application.kill()
        for connection in crowd:
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(connection.socket.recv(1), b'')
        eventually(lambda: self.daemon.statistics()['descriptors'] <= self.without_ports + PLACES, 10, 'the ports to be closed')
        self.assertEqual(self.daemon.statistics()['connections'], PLACES)
        self.assertEqual(self.counted(), self.made_room)

    def test_in_use(self):
        """Whoever asks again and again is not cut off, whatever comes and goes beside it."""
        crowd, connection = [], self.asking(self.http, True)
        for _ in range(8 * PLACES):
            self.fill(crowd, lambda: self.silent(self.http))   # no more than are accepted: a burst would end all that pause for 10 ms
            self.ask(connection, '/plain')
        self.assertGreater(self.counted() - self.made_room, 4 * PLACES)


if __name__ == '__main__':
    harness.main()
