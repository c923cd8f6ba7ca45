#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of clients begin TLS in the same moment, with an RSA key, whose signatures take seconds in all: everybody else is answered
meanwhile as ever."""

import resource
import select
import signal
import socket
import ssl
import time

import harness
from processes import PATIENCE, Sleeper, Within, eventually

COUNT = 3000


class Client:
    """TLS whose bytes go when one says so."""

    def __init__(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_hostname='localhost')

    def try_(self, what):
        """None: more has to come first."""
        try:
            return what() or True
        except ssl.SSLWantReadError:
            return None

    def until(self, connection, what):
        while not (done := self.try_(what)):
            self.coming.write(connection.recv(65536))
        return done


def client_hello():
    """The first bytes of a client."""
    client = Client()
    client.try_(client.tls.do_handshake)
    return client.going.read()


class Burst(harness.SystemTest):
    config = {'timeouts': {'Handshake': 120}}   # of a machine that is slow

    def setUp(self):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.port, self.plain = harness.free_port(), harness.free_port()
        self.import_server(f'127.0.0.1:{self.port}', credential=self.certificates.server_rsa)
        application = self.application('tools/bench/bench-app', '--port', self.plain, '--tls-port', self.port)
        eventually(lambda: self.is_served() or not application.is_running(), 10, 'bench-app')

    def is_served(self):
        process = self.curl(f'http://127.0.0.1:{self.plain}/')
        return process.status == 0 and process.response.status == 200

    def burst(self):
        """COUNT clients that have all said hello before the daemon looks; an epoll that tells of each answer once."""
        answers, clients, hello = select.epoll(), [], client_hello()
        self.addCleanup(answers.close)
        for _ in range(COUNT):
            client = socket.create_connection(('127.0.0.1', self.port))
            self.addCleanup(client.close)
            clients.append(client)
            answers.register(client, select.EPOLLIN | select.EPOLLONESHOT)
        eventually(lambda: self.daemon.statistics()['connections'] >= COUNT, 10, 'all connections')
        self.daemon.process.signal(signal.SIGSTOP)
        try:
            for client in clients:
                client.send(hello)
        finally:
            self.daemon.process.signal(signal.SIGCONT)
        return answers

    def test_others_are_answered(self):
        connection = self.connect(self.plain, plain=True)
        session = harness.Session(self.daemon.socket)
        self.addCleanup(session.control.close)
        sleeper = self.peer(Sleeper())
        answers = self.burst()
        sleeper.late()
        begin, answered, rounds = time.monotonic(), 0, 0
        worst = {'PING': 0, 'GET': 0, 'httpsysctl': 0}
        while answered < COUNT and time.monotonic() < begin + 60 * PATIENCE:
            worst['PING'] = max(worst['PING'], session.ping())
            start = time.monotonic()
            self.assertEqual(connection.get('/').status, 200)
            worst['GET'] = max(worst['GET'], time.monotonic() - start)
            if rounds % 50 == 0:
                start = time.monotonic()
                self.ctl('show', 'sslcert')
                worst['httpsysctl'] = max(worst['httpsysctl'], time.monotonic() - start)
            rounds += 1
            answered += len(answers.poll(0.001, COUNT))
        took, late = time.monotonic() - begin, sleeper.late()
        print(f'{answered} of {COUNT} hellos were answered within {took:.2f} s; of {rounds} rounds the slowest: '
              f'{", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in worst.items())}', flush=True)
        self.assertEqual(answered, COUNT)
        for name, seconds in worst.items():
            self.assertLess(seconds, 0.25 * PATIENCE + Within.LATE * late, name)
        self.assertEqual(self.daemon.statistics()['connections'], COUNT + 1)

    def test_who_has_begun_ends_its_handshake(self):
        connection, client = socket.create_connection(('127.0.0.1', self.port)), Client()
        self.addCleanup(connection.close)
        client.try_(client.tls.do_handshake)
        connection.sendall(client.going.read())
        client.until(connection, client.tls.do_handshake)
        client.tls.write(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
        answers = self.burst()
        connection.sendall(client.going.read())
        self.assertTrue(client.until(connection, lambda: client.tls.read(1000)).startswith(b'HTTP/1.1 200 '))
        before = len(answers.poll(0, COUNT))
        print(f'{before} of {COUNT} hellos were answered before', flush=True)
        self.assertLess(before, COUNT // 2)


if __name__ == '__main__':
    harness.main()
