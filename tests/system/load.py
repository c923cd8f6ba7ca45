# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that ask without end while something happens to the daemon or to its applications, and what has to be as before afterwards."""

import collections
import socket
import threading
import time

from application import ApiTest
from processes import PATIENCE, WAIT, eventually

THREADS = 2        # of a worker: as many requests as it can have received and not answered
HANG_SECONDS = 10


class Client(threading.Thread):
    """Asks again and again on one connection, on a new one when it has ended, and counts what becomes of its requests."""

    def __init__(self, port, path, stop, daemon_dies=False):
        super().__init__()
        self.port, self.path, self.stop, self.daemon_dies = port, path, stop, daemon_dies
        self.counts = collections.Counter()
        self.answers = collections.Counter()   # bodies
        self.wrong = []

    def run(self):
        connection = None
        while not self.stop.is_set() and not self.wrong:
            try:
                connection = connection or self.connect()
                outcome = self.ask(connection)
            except TimeoutError:
                self.wrong.append(f'no answer in {HANG_SECONDS * WAIT} s')
                return
            except OSError:
                outcome = 'ended'
            self.counts[outcome] += 1
            if outcome != 'answered':
                if connection:
                    connection.close()
                connection = None
                if self.daemon_dies:
                    time.sleep(0.002)   # until there is one again
        if connection:
            connection.close()

    def connect(self):
        return socket.create_connection(('127.0.0.1', self.port), HANG_SECONDS * WAIT)

    def ask(self, connection):
        connection.sendall(f'GET {self.path} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode())
        text = b''
        while b'\r\n\r\n' not in text:
            part = connection.recv(4096)
            if not part:
                return 'ended' if not text else self.half(f'half an answer: {text!r}')
            text += part
        head, _, body = text.partition(b'\r\n\r\n')
        length = int(head.lower().partition(b'content-length: ')[2].split(b'\r\n')[0])
        while len(body) < length:
            part = connection.recv(4096)
            if not part:
                return self.half(f'half a body: {body!r}')
            body += part
        if not head.startswith(b'HTTP/1.1 200 '):
            return self.wrong.append(head.split(b'\r\n')[0].decode())
        self.answers[body] += 1
        return 'answered'

    def half(self, text):
        return 'ended' if self.daemon_dies else self.wrong.append(text)


class Timed(Client):
    """With pauses, and notes how long each answer takes. It has no request while somebody holds `pause`."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seconds = []
        self.pause = threading.Lock()

    def ask(self, connection):
        with self.pause:
            begin = time.monotonic()
            outcome = super().ask(connection)
            self.seconds.append(time.monotonic() - begin)
        time.sleep(0.002)
        return outcome


class Waker(threading.Thread):
    """What this process adds to the times of its Timed clients: a thread that only sleeps, and at most wakes so many seconds late."""

    def __init__(self, stop):
        super().__init__()
        self.stop, self.late = stop, 0

    def run(self):
        begin = time.monotonic()
        while not self.stop.wait(0.002):
            now = time.monotonic()
            self.late, begin = max(self.late, now - begin - 0.002), now


class LoadTest(ApiTest):
    # Bytes that the allocator may keep, AddressSanitizer 256 MiB; a leak of one request or channel for each kill would be more.
    kept = 32 << 20 if PATIENCE == 1 else 512 << 20

    def start_clients(self, port, count, path='/plain', kind=Client, **options):
        stop = threading.Event()
        clients = [kind(port, path, stop, **options) for _ in range(count)]
        for client in clients:
            client.start()
        self.addCleanup(stop.set)
        return stop, clients

    @staticmethod
    def sum_of(clients):
        return sum((client.counts for client in clients), collections.Counter())

    def settled(self, threads):
        """Statistics when no connection of earlier tests is left and so many threads of the applications wait for requests; the session
        of the look before is not counted, which takes a moment to end."""
        def is_settled():
            first = self.daemon.statistics()
            time.sleep(0.05)
            now = self.daemon.statistics()
            return now if now['connections'] == 0 and now['irps_pending'] == threads and now['sessions'] == first['sessions'] else None
        return eventually(is_settled, 10, 'the applications to wait for requests')

    def check_leftovers(self, before):
        eventually(lambda: not self.leftovers(before), 10, lambda: f'everything to be as before: {self.leftovers(before)}')

    def leftovers(self, before):
        now = self.daemon.statistics()
        names = ('sessions', 'channels', 'irps_pending', 'handles', 'connections', 'requests_queued', 'requests_delivered',
                 'request_queues', 'url_groups', 'urls', 'descriptors')
        left = {name: (before[name], now[name]) for name in names if now[name] > before[name]}
        # Those that wait for requests may have handed back their last blocks when the daemon had looked: it looks with the next request.
        if now['blocks_lent'] > before['blocks_lent'] + before['irps_pending']:
            left['blocks_lent'] = (before['blocks_lent'], now['blocks_lent'])
        if now['resident_bytes'] > before['resident_bytes'] + self.kept:
            left['resident_bytes'] = (before['resident_bytes'], now['resident_bytes'])
        return left
