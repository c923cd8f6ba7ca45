#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two applications on one connection, as behind a proxy that sends each of them requests of its clients on whatever connection is free: one
that does not end its response, or asks for the certificate of a connection that serves the other by now."""

import socket

import harness
from application import MODES, ApiTest

SUCCESS, NOT_SUPPORTED, CONNECTION_INVALID = 0, 50, 1229


class Shared(ApiTest):
    def setUp(self):
        self.import_authority()

    def pair(self, mode):
        """(port, one, other): one serves /a/, the other /b/."""
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}')
        return port, *(self.start(mode, f'https://localhost:{port}/{name}/') for name in 'ab')

    @staticmethod
    def request(path, verb='GET'):
        return f'{verb} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n'

    def certificate_of(self, connection):
        return self.ask(connection, '/a/certificate')['calls'][0]['code']


class SharedConnection(Shared):
    def check_other(self, connection, held):
        """The other application's response comes though the first one's is not ended, with the certificate."""
        call = self.ask(connection, '/b/certificate')['calls'][0]
        self.assertEqual((call['code'], call['data']), (SUCCESS, self.certificates.clients['good'].der().hex()))
        connection.send(self.request(f'/b/hold?until={held}'))

    def test_unended(self):
        for mode in MODES:
            port, one, other = self.pair(mode)
            for version in ('1.2', '1.3'):
                for query, verb in (('', 'GET'), ('&chunked=1', 'GET'), ('&extra=1', 'GET'), ('', 'HEAD')):
                    unended, held = self.mark(), self.mark()
                    with self.subTest(mode=mode, version=version, query=query, verb=verb), \
                            self.connect(port, version=version, credential=self.certificates.clients['good'],
                                         post_handshake=True) as connection:
                        self.assertEqual(connection.get(f'/a/unended?until={unended}{query}', method=verb).body,
                                         b'' if verb == 'HEAD' else b'ok')
                        one.expect('^unended$')
                        self.check_other(connection, held)
                        other.expect('^holding$')
                        # Now the connection is the other one's.
                        self.release(unended)
                        one.expect(f'^certificate ended {CONNECTION_INVALID}$')
                        if 'extra' in query:
                            one.expect(f'^extra {CONNECTION_INVALID}$')
                        one.expect(f'^ended {SUCCESS}$')
                        one.expect(f'^again {CONNECTION_INVALID}$')
                        self.release(held)
                        self.assertEqual(connection.response().status, 200)
                        # And then the first one's again.
                        self.assertEqual(self.certificate_of(connection), SUCCESS)

    def test_pipelined(self):
        """All requests at once; and nobody else's has come when the first one asks for the certificate."""
        port, one, _other = self.pair('blocking')
        unended = self.mark()
        with self.connect(port, version='1.3') as connection:   # which cannot be asked, so nothing has to be read for that
            connection.send(self.request(f'/a/unended?until={unended}') + self.request('/b/plain') + self.request('/a/plain'))
            self.assertEqual([connection.response().status for _ in range(3)], [200, 200, 200])
            connection.send(self.request('/b/plain')[:20])
            self.release(unended)
            one.expect(f'^certificate ended {NOT_SUPPORTED}$')
            one.expect(f'^ended {SUCCESS}$')
            connection.send(self.request('/b/plain')[20:])
            self.assertEqual(connection.response().status, 200)

    def test_without_an_end(self):
        """Without length or chunks only the application ends its response, and the connection with it."""
        port, one, _other = self.pair('blocking')
        unended = self.mark()
        with self.connect(port) as connection:
            connection.send(self.request(f'/a/unended?length=0&until={unended}') + self.request('/b/plain'))
            one.expect('^unended$')
            connection.socket.settimeout(0.5)
            received = b''
            with self.assertRaises(socket.timeout):
                while True:
                    received += connection.socket.recv(65536)
            self.assertTrue(received.endswith(b'\r\n\r\nok'), received)
            self.assertIn(b'Connection: close\r\n', received)
            connection.socket.settimeout(20)
            self.release(unended)
            one.expect(f'^ended {SUCCESS}$')
            self.assertTrue(connection.is_closed_by_peer())


class Silence(Shared):
    config = {'timeouts': {'SslRenegotiation': 3}}

    def test_a_question_that_is_not_answered(self):
        """With TLS 1.3 it is at the cost of who has asked, not of the other one, whose request has come since."""
        port, one, other = self.pair('event')
        unended, held = self.mark(), self.mark()
        with self.connect(port, version='1.3', credential=self.certificates.clients['good'], post_handshake=True) as connection:
            self.assertEqual(connection.get(f'/a/unended?until={unended}').body, b'ok')
            one.expect('^unended$')
            self.release(unended)
            self.until_calls(8, 0)   # the question, three receives of the one and four of the other
            connection.send(self.request(f'/b/hold?until={held}'))   # Python answers only when it reads
            other.expect('^holding$')
            one.expect(f'^certificate ended {CONNECTION_INVALID}$')
            self.daemon.expect_log(r'\(SslRenegotiation\)$')
            self.release(held)
            self.assertEqual(connection.response().status, 200)
            self.assertEqual(self.certificate_of(connection), SUCCESS)


if __name__ == '__main__':
    harness.main()
