#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that ask for much and read nothing, hundreds of one application: its other clients are answered as if they were not there, small
answers and large ones, since what such a client does not read holds nothing that others need. And when they read after all, each gets all
of its answers."""

import socket
import time

import harness
from harness import Failure
from processes import WAIT, Within, eventually

READERS = 300            # twice as many as the send arena of libhttpapi (2 MiB) has pieces of 16 KiB
PIPELINED = 2            # requests of each
SIZES = {'/': 13, '/64k': 65536, '/1m': 1 << 20}
SMALL_SEGMENT = 536      # the sending socket has room for some tens of these, instead of for megabytes


def request(path):
    return f'GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode()


class Client:
    def __init__(self, port):
        self.socket = socket.socket()
        self.socket.settimeout(20 * WAIT)
        self.data = bytearray()
        self.port = port

    def connect(self):
        self.socket.connect(('127.0.0.1', self.port))
        return self

    def read(self, path):
        """A whole answer; what follows it stays for the next."""
        def more():
            part = self.socket.recv(1 << 20)
            if not part:
                raise Failure(f'the connection ended in the middle of an answer: {bytes(self.data[:200])}')
            self.data.extend(part)
        while b'\r\n\r\n' not in self.data:
            more()
        head, _, rest = self.data.partition(b'\r\n\r\n')
        if not head.startswith(b'HTTP/1.1 200 '):
            raise Failure(f'{path} was answered with {bytes(head)}')
        self.data = rest
        while len(self.data) < SIZES[path]:
            more()
        body, self.data = bytes(self.data[:SIZES[path]]), self.data[SIZES[path]:]
        if len(body) > 100 and body.strip(b'x'):
            raise Failure(f'{path} was answered with other bytes')

    def visit(self, path):
        self.socket.sendall(request(path))
        self.read(path)


class SlowReaders(harness.SystemTest):
    def setUp(self):
        self.port = harness.free_port()
        self.application('tools/bench/bench-app', '--port', self.port).expect('^ready$')

    def client(self):
        client = Client(self.port)
        self.addCleanup(client.socket.close)
        return client

    def slow_reader(self):
        reader = self.client()
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT)
        reader.connect().socket.sendall(PIPELINED * request('/1m'))
        return reader

    def until_nothing_moves(self):
        """Until each of them has a request with the application, and no operation has come for a while."""
        last = [None]

        def stands():
            now = self.daemon.statistics()
            state = (now['requests_delivered'], now['irps_total'])
            stood, last[0] = state == last[0] and state[0] == READERS, state
            return stood
        eventually(lambda: stands() or time.sleep(0.3), 20, 'the answers of those that read nothing to stand still')

    def test_others_are_answered(self):
        readers = [self.slow_reader() for _ in range(READERS)]
        self.until_nothing_moves()
        honest = self.client().connect()
        # A few milliseconds without them.
        for path, times in (('/', 50), ('/64k', 20), ('/1m', 5)):
            with Within(3, f'{times} answers to GET {path} beside {READERS} clients that read nothing') as within:
                for _ in range(times):
                    honest.visit(path)
            print(f'{times} times GET {path} in {within.took * 1000:.1f} ms, {within.late * 1000:.1f} ms late', flush=True)
        for reader in (readers[0], readers[READERS // 2], readers[-1]):
            for _ in range(PIPELINED):
                reader.read('/1m')


class ShortOfBuffers(SlowReaders):
    """The same where the daemon keeps no more than a piece for each of them."""
    config = {'limits': {'ConnectionBufferBytesTotal': 1 << 20}}


if __name__ == '__main__':
    harness.main()
