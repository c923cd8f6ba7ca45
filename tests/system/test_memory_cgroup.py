#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon in a control group with little memory, and clients that ask for as much as they can: it refuses with the documented codes,
serves whoever it served before, is not killed for lack of memory, and has room again when they have gone. Needs a machine where a group can
be made (root; version 2 or 1); elsewhere test_scarcity.py limits addresses (RLIMIT_AS)."""

import os
import resource
import signal
import socket
import ssl
import time
import unittest

import harness
from application import ApiTest
from processes import WAIT, eventually

SANITIZED = os.environ.get('HTTPSYS_SANITIZE', 'none') != 'none'
MIB = 1 << 20
# Nobody is cut off for being slow, for the test itself may be.
UNHURRIED = {name: 3600 for name in ('Handshake', 'IdleConnection', 'HeaderWait', 'EntityBody')}


class Group:
    """A control group below that of this program, or, where version 2 does not allow that, below one above it; until remove()."""

    def __init__(self, limit):
        self.folder = self.limit_name = None
        for folder in self.candidates():
            path = os.path.join(folder, f'httpsys-test-{os.getpid()}')
            try:
                os.mkdir(path)
            except OSError:
                continue
            for name in ('memory.max', 'memory.limit_in_bytes'):
                if os.path.exists(os.path.join(path, name)):
                    self.folder, self.limit_name = path, name
                    self.write(name, limit)
                    return
            os.rmdir(path)
        raise unittest.SkipTest('this machine lets nobody make a control group with a limit of memory')

    @staticmethod
    def candidates():
        with open('/proc/self/cgroup', encoding='ascii') as file:
            lines = [line.strip().split(':', 2) for line in file]
        for _number, names, path in lines:
            if names == '':
                roots = ('/sys/fs/cgroup', '/sys/fs/cgroup/unified')
            elif 'memory' in names.split(','):
                roots = ('/sys/fs/cgroup/memory',)
            else:
                continue
            for root in roots:
                group = path.rstrip('/')
                while True:
                    yield root + group
                    if not group or names != '':
                        break
                    group = group.rpartition('/')[0]

    def write(self, name, value):
        with open(os.path.join(self.folder, name), 'w', encoding='ascii') as file:
            file.write(str(value))

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding='ascii') as file:
            return file.read()

    def kills(self):
        """How often the kernel has killed a process of it for lack of memory."""
        events = self.read('memory.events' if self.limit_name == 'memory.max' else 'memory.oom_control')
        return int(dict(line.split() for line in events.splitlines()).get('oom_kill', 0))

    def used(self):
        return int(self.read('memory.current' if self.limit_name == 'memory.max' else 'memory.usage_in_bytes'))

    def remove(self):
        def gone():
            try:
                os.rmdir(self.folder)
            except OSError:   # its process is about to end
                return not os.path.exists(self.folder)
            return True
        eventually(gone, 10, 'the end of the control group')


class GroupTest(ApiTest):
    # Starts in the group: what a process had before stays charged to the group that it had.
    prefix = ('sh', '-c', 'echo $$ > "$0"/cgroup.procs && exec "$@"')

    @classmethod
    def setUpClass(cls):
        cls.group = Group(cls.LIMIT)
        cls.addClassCleanup(cls.group.remove)
        cls.prefix = (*cls.prefix, cls.group.folder)
        super().setUpClass()

    def setUp(self):
        self.port = harness.free_port()
        self.start('event', f'http://localhost:{self.port}/')
        self.before = self.group.used()

    def check_served(self):
        with self.connect(self.port, plain=True) as connection:
            self.assertEqual(connection.get('/plain').status, 200)

    def check_end(self, what, most):
        """The daemon is not killed, serves, and has room for another."""
        print(f'{what}: {self.before // MIB} MiB before, {most // MIB} with them, {self.group.used() // MIB} after', flush=True)
        self.assertEqual(self.group.kills(), 0)
        self.assertTrue(self.daemon.process.is_running())
        self.check_served()
        eventually(lambda: self.daemon.statistics()['sessions'] == 2, 10, 'the end of the others')   # setUp's is left, and this one
        _port, another = self.start_http('blocking')
        another.kill()
        eventually(lambda: self.daemon.statistics()['connections'] == 0, 10, 'the end of all connections')


@unittest.skipIf(SANITIZED, "a sanitizer's own memory is beyond such a limit")
class LittleMemory(GroupTest):
    LIMIT = 192 * MIB
    config = {'timeouts': UNHURRIED, 'limits': {'MaxConnections': 400}}   # or the memory would allow 192

    def test_channels(self):
        """Applications until one is refused, with half of the memory for channels, half of that for a user."""
        servers = []
        for _ in range(40):
            server = self.application('tests/system/api_server', 'event', 1, '-', 'create', f'http://localhost:{harness.free_port()}/')
            servers.append(server)
            if server.stdout.expect('^ready$', 10) is None:
                break
        self.assertGreater(len(servers), 3)
        self.assertLess(len(servers), 40)
        servers[-1].expect('HttpInitialize failed with 8: .*ERROR_NOT_ENOUGH_MEMORY', stream='stderr')
        self.daemon.expect_log(r'gets no channel: uid \d+ has \d+ bytes of channels, \d+ more are wanted, and may have \d+ '
                               r'\(half of what ChannelBytesTotal in httpsys.toml allows\)')
        most = self.group.used()
        self.check_served()
        for server in servers:
            server.kill()
        self.check_end(f'{len(servers) - 1} channels beside another', most)

    @staticmethod
    def flood(port, count, payload):
        """Connections that send as much as is taken and read nothing."""
        connections = []
        for _ in range(count):
            connections.append(socket.create_connection(('127.0.0.1', port), 10 * WAIT))
            connections[-1].setblocking(False)
            left = memoryview(payload)
            try:
                while left:
                    left = left[connections[-1].send(left):]
            except BlockingIOError:
                pass
        return connections

    def crowd(self, what, path, rounds=2):
        """Clients that send without reading, to an application that stands still, then to it as it goes on; the second time, too."""
        for turn in range(rounds):
            with self.subTest(what, turn=turn):
                port, stopped = self.start_http('event')
                stopped.stop()
                body = b'x' * 4000000
                head = f'POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n'.encode()
                connections = self.flood(port, 300, head + body)
                time.sleep(0.5)
                self.check_served()
                most = self.group.used()
                for connection in connections[100:]:
                    connection.close()
                stopped.signal(signal.SIGCONT)
                self.check_served()
                time.sleep(0.5)
                for connection in connections[:100]:
                    connection.close()
                stopped.kill()
                self.check_end(what, max(most, self.group.used()))

    def test_uploads(self):
        self.crowd('300 uploads', '/count')

    def test_responses(self):
        """Large ones that nobody reads."""
        port, server = self.start_http('event', threads=150)
        payload = b'GET /stream?4000000&1 HTTP/1.1\r\nHost: localhost\r\n\r\n'
        connections = self.flood(port, 300, payload)
        time.sleep(1)
        self.check_served()
        most = self.group.used()
        for connection in connections:
            connection.close()
        server.kill()
        self.check_end('300 unread responses', most)

    def test_waiting_results(self):
        """An application stands still with more results on their way than its channel has blocks for: it is cut off before they fill the
        memory."""
        before = self.daemon.statistics()['irps_pending']
        port, stopped = self.start_http('port', threads=300)
        eventually(lambda: self.daemon.statistics()['irps_pending'] >= before + 300, 10, 'the application to wait for requests')
        stopped.stop()
        # Some 60 KB for the application: the URL is there twice, once in UTF-16.
        head = f'GET /plain?{"q" * 16000} HTTP/1.1\r\nHost: localhost\r\nX-Long: {"x" * 14000}\r\n\r\n'.encode()
        connections = []
        try:
            for _ in range(300):
                connections += self.flood(port, 1, head)
        except ConnectionError:   # cut off already, and nobody else has its port
            pass
        self.daemon.expect_log('it hands back too few blocks, and as many results wait for some as WaitingOutputBytesTotal allows')
        most = self.group.used()
        self.check_served()
        for connection in connections:
            connection.close()
        stopped.kill()
        self.check_end('300 results that nobody takes', most)


@unittest.skipIf(SANITIZED, "a sanitizer's own memory is beyond such a limit")
class Crowds(GroupTest):
    """More clients than the memory has room for: one for each MiB is accepted, the others wait, whatever they send."""
    LIMIT = 256 * MIB
    config = {'timeouts': UNHURRIED}
    ALLOWED = 256
    CLIENTS = 2000   # all of them inside would have the daemon killed
    # Its first byte comes at once, for who is idle makes room for others.
    HEAD = b'POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n'

    def clients(self, port, context):
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return [self.client(port, context) for _ in range(self.CLIENTS)]

    def client(self, port, context):
        while True:
            client = socket.socket()
            self.addCleanup(client.close)
            client.setblocking(False)
            client.connect_ex(('127.0.0.1', port))
            if not context:
                eventually(lambda client=client: self.step(client.send, self.HEAD[:1]), 10, 'the first byte')
                return client
            try:
                client = context.wrap_socket(client, do_handshake_on_connect=False)
            except BlockingIOError:   # it was connected while Python looked whether it is
                continue
            self.addCleanup(client.close)
            self.step(client.do_handshake)
            return client

    @staticmethod
    def step(function, *arguments):
        """False: it has to be tried again; a client that has not been accepted may go on for ever. Or it was idle for 10 ms, since this
        program had to wait for the processor, and has made room for another."""
        try:
            return function(*arguments) or True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return False

    def crowd(self, start, context):
        port, server = start('event')
        server.stop()
        clients = self.clients(port, context)
        eventually(lambda: self.daemon.statistics()['connections'] == self.ALLOWED, 30, 'as many connections as the memory allows')
        inside = clients
        if context:
            inside = []
            def handshakes():
                inside.extend(client for client in clients if client not in inside and self.step(client.do_handshake) and
                              self.step(client.send, self.HEAD[:1]))
                # One is of a client that a test before has left, or of another address family's listener.
                return len(inside) >= self.ALLOWED - 8
            eventually(handshakes, 60, 'the handshakes of those that are accepted')
        # All at once, now that each is being read.
        piece = b'x' * 16384
        sending = [client for client in inside if self.step(client.send, self.HEAD[1:])]
        for _ in range(50):
            sending = [client for client in sending if self.step(client.send, piece)]
        time.sleep(1)
        most = self.group.used()
        self.assertEqual(self.group.kills(), 0)
        # One whose client has gone makes room for the next.
        self.assertLessEqual(self.daemon.statistics()['connections'], self.ALLOWED)
        eventually(lambda: self.daemon.statistics()['connections'] == self.ALLOWED, 10, 'as many connections as before')
        # Once for tests that follow each other within a second.
        self.assertIn('256 connections are open, as many as MaxConnections in httpsys.toml or the memory allows', self.daemon.log())
        for client in clients:
            client.close()
        server.kill()
        self.check_end(f'{self.CLIENTS} uploads{" over TLS" if context else ""}', most)

    def test_plain(self):
        self.daemon.expect_log('up to 256 connections at a time, as MaxConnections in httpsys.toml or the memory allows')
        self.crowd(self.start_http, None)

    def test_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.crowd(self.start_https, context)


if __name__ == '__main__':
    harness.main()
