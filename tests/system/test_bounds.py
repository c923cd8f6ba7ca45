#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""[clients] of the configuration as applications meet it: the last thing that fits, the next one that does not, with its code and sentence,
and that those who were there before notice nothing. Each resource at its edge: unit-ns, unit-session, unit-io."""

import os
import re
import shutil
import socket
import struct
import sys
import unittest

import application
import harness
from processes import Failure, eventually

HELLO, WELCOME = 1, 2
MIB = 1 << 20


class SessionsTest(application.ApiTest):
    def sessions(self):
        try:
            return self.daemon.statistics()['sessions']
        except (OSError, Failure):   # this process still has those of the last two looks, or the backlog is full yet
            return None


class Bounds(SessionsTest):
    """Two URLs, two sessions and two channels of libhttpapi's size."""
    config = {'clients': {'UrlsPerProcess': 2, 'SessionsPerProcess': 2, 'ChannelBytesPerUser': 16 * MIB}}

    def urls(self, count):
        self.port = harness.free_port()
        return [f'http://localhost:{self.port}/{number}/' for number in range(count)]

    def refused(self, call, code, sentence, *urls):
        process = self.application('tests/system/api_server', 'event', 1, '-', 'create', *urls)
        self.assertNotEqual(process.wait(), 0)
        text = process.stderr.text()
        self.assertRegex(text, f'failed with {code}: {call}: .*{sentence}')

    def test_urls(self):
        self.start('event', *self.urls(2))
        port = self.port
        self.refused('HttpAddUrlToUrlGroup', 1450, r'this process has 2 registered URLs, and may have 2 \(UrlsPerProcess in httpsys.toml\)',
                     *self.urls(3))
        self.assertEqual(self.connect(port, plain=True).get('/1/plain').status, 200)

    def hello(self):
        """A session of this process: the type of the daemon's answer, None when it closes."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(connection.close)
        connection.connect(self.daemon.socket)
        try:
            connection.send(struct.pack('<IHHIIII', harness.CONTROL_MAGIC, HELLO, 0, 88, 1, 0, 0) + struct.pack('<IIII', 1, 0, 0, 0)
                            + bytes(48))
            answer = connection.recv(1024)
        except (BrokenPipeError, ConnectionResetError):
            answer = b''
        return struct.unpack_from('<IH', answer)[1] if answer else None

    def test_sessions(self):
        for _ in range(2):
            self.assertEqual(eventually(self.hello, 10, 'the end of sessions of other tests'), WELCOME)
        self.assertIsNone(self.hello())
        self.daemon.expect_log(r'is turned away: this process has 2 sessions, and may have 2 \(SessionsPerProcess in httpsys.toml\)')
        self.start('event', *self.urls(1))   # another process

    def test_channels(self):
        first, second = self.start('event', *self.urls(1)), self.start('event', *self.urls(1))
        port = self.port
        self.refused('HttpInitialize', 8, 'this user or process has as much of it as', *self.urls(1))
        self.daemon.expect_log(r'gets no channel: uid \d+ has \d+ bytes of channels, \d+ more are wanted, and may have 16777216 '
                               r'\(ChannelBytesPerUser in httpsys.toml\)')
        self.assertEqual(self.connect(port, plain=True).get('/0/plain').status, 200)
        first.kill()
        eventually(lambda: self.sessions() == 2, 10, 'the end of the first session')   # the second's and ours
        self.start('event', *self.urls(1))
        self.assertTrue(second.is_running())

# Arguments: a socket and a number. Connects so often, keeps what is not closed, and says so.
HOARDER = """
import socket, sys
kept = []
for number in range(int(sys.argv[2])):
    kept.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    kept[-1].connect(sys.argv[1])
print('connected', flush=True)
sys.stdin.read()
"""

# Argument: a socket. Connects without end, as fast as it can, and keeps the first ones, so that the others are turned away.
FLOODER = """
import socket, sys
kept = []
while True:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        one.connect(sys.argv[1])
    except OSError:
        continue
    if len(kept) < 100:
        kept.append(one)
"""


class OtherUsers(SessionsTest):
    """Applications of two users. One takes what he can."""
    GREEDY, HONEST = 61001, 61002

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Copied, since the build folder may lie where nobody may look.
        for path in ('tests/system/api_server', 'lib/libhttpapi.so.1'):
            shutil.copy(os.path.join(harness.build_folder(), path), cls.folder)
        for path in (cls.folder, cls.daemon.socket):
            os.chmod(path, 0o777)

    def setUp(self):
        eventually(lambda: self.sessions() == 1, 10, 'the end of other tests')

    def process_of(self, uid, *words):
        return self.application(shutil.which('setpriv'), f'--reuid={uid}', f'--regid={uid}', '--clear-groups', '--pdeathsig', 'KILL',
                                *words, environment={'LD_LIBRARY_PATH': self.folder})

    def server_of(self, uid, ports=1):
        self.ports = [harness.free_port() for _ in range(ports)]
        return self.process_of(uid, os.path.join(self.folder, 'api_server'), 'event', 1, '-', 'create',
                               *(f'http://localhost:{port}/' for port in self.ports))

    def check_honest(self):
        server = self.server_of(self.HONEST)
        server.expect('^ready$')
        self.assertEqual(self.connect(self.ports[0], plain=True).get('/plain').status, 200)
        server.kill()


@unittest.skipIf(os.geteuid() != 0, 'needs root to become other users')
class FewDescriptors(OtherUsers):
    """With 364 descriptors there are twelve sessions for users, and some ports. One user takes what he can."""
    prefix = ('prlimit', '--nofile=364:364')

    def test_sessions(self):
        for _ in range(6):
            self.server_of(self.GREEDY).expect('^ready$')
        port = self.ports[0]
        refused = self.server_of(self.GREEDY)
        self.assertNotEqual(refused.wait(), 0)
        refused.expect('HttpInitialize failed with 1062', stream='stderr')
        self.daemon.expect_log(rf'uid {self.GREEDY}\) is turned away: uid {self.GREEDY} has 6 sessions, and may have 6 '
                               r'\(half of what RLIMIT_NOFILE allows\)')
        hoarder = self.process_of(self.GREEDY, sys.executable, '-c', HOARDER, self.daemon.socket, 500)
        hoarder.expect('^connected$')
        self.check_honest()
        self.assertIn('SSL Certificate bindings', self.ctl('show', 'sslcert'))
        self.assertEqual(self.connect(port, plain=True).get('/plain').status, 200)
        self.assertLess(self.daemon.statistics()['descriptors'], 172)

    def test_log(self):
        """The lines about a user's processes are his: he keeps none about another's out of the log."""
        self.process_of(self.GREEDY, sys.executable, '-c', FLOODER, self.daemon.socket)
        self.daemon.expect_log(rf'and \d+ more like it were not written: lines about processes of uid {self.GREEDY} come faster', 60)
        self.process_of(self.HONEST, sys.executable, '-c', HOARDER, self.daemon.socket, 4).expect('^connected$')
        self.daemon.expect_log(rf'uid {self.HONEST}\) is turned away: this process has 3 sessions, and may have 3 ')

    def test_ports(self):
        refused = self.server_of(self.GREEDY, 60)
        self.assertNotEqual(refused.wait(), 0)
        count = int(refused.expect(r'failed with 1450: HttpAddUrlToUrlGroup: this process has (\d+) listening ports, '
                                   r'and may have \1 \(a quarter of what RLIMIT_NOFILE allows\)', stream='stderr').group(1))
        for _ in range(2):
            self.server_of(self.GREEDY, count).expect('^ready$')
        refused = self.server_of(self.GREEDY, 2)
        self.assertNotEqual(refused.wait(), 0)
        refused.expect(rf'uid {self.GREEDY} has \d+ listening ports, and may have \d+ \(half of what RLIMIT_NOFILE', stream='stderr')
        self.check_honest()


@unittest.skipIf(os.geteuid() != 0, 'needs root to become other users')
class Requests(OtherUsers):
    """Of one user four requests may be under way. One application answers none."""
    config = {'clients': {'RequestsPerUser': 4}}

    def requests_of(self, port, count, path='/hold'):
        """Connections, each with a request that is with the application or in its queue."""
        before = self.under_way()
        connections = []
        for _ in range(count):
            connections.append(self.connect(port, plain=True))
            connections[-1].send(f'GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n')
        eventually(lambda: self.under_way() == before + count, 10, f'{count} requests under way')
        return connections

    def under_way(self):
        now = self.daemon.statistics()
        return now['requests_queued'] + now['requests_delivered']

    def status_of(self, port):
        with self.connect(port, plain=True) as connection:
            return connection.get('/plain').status

    def test_application_that_never_answers(self):
        self.daemon.expect_log(r'of one user up to 4 requests under way \(RequestsPerUser\)')
        greedy = self.server_of(self.GREEDY)
        greedy.expect('^ready$')
        port = self.ports[0]
        held = self.requests_of(port, 4)   # one with its only thread, three in the queue
        for _ in range(2):
            self.assertEqual(self.status_of(port), 503)
            self.daemon.expect_log(r'503 QueueFull: the user of the request queue has as many requests under way as may be, '
                                   rf'RequestsPerUser \(4\); uid {self.GREEDY}$')
        eventually(lambda: re.search(r'Request refused +: 2\n', self.ctl('show', 'statistics')), 10, 'two refused requests')
        other = self.server_of(self.GREEDY)   # the same user's
        other.expect('^ready$')
        fresh = self.ports[0]
        self.assertEqual(self.status_of(fresh), 503)
        for _ in range(10):
            self.check_honest()
        greedy.kill()
        eventually(lambda: self.under_way() == 0, 10, 'the end of the requests')
        for connection in held:
            connection.close()
        self.assertEqual(self.status_of(fresh), 200)
        self.requests_of(fresh, 4)
        self.assertEqual(self.status_of(fresh), 503)


if __name__ == '__main__':
    harness.main()
