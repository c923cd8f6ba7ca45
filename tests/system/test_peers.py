#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to a client's certificate, with every peer, in every mode of the overlapped call; and what a peer may do in between:
refuse, renegotiate on its own, change its keys."""

import contextlib
import json
import select
import signal
import time

import harness
from application import MODES, PeerTest
from processes import PATIENCE, WAIT, Failure

SUCCESS, NOT_SUPPORTED, NOT_FOUND, CONNECTION_INVALID = 0, 50, 1168, 1229
PEERS = ('curl', 's_client', 'gnutls_cli', 'python')
WAYS = (('handshake', '1.2'), ('handshake', '1.3'), ('renegotiation', '1.2'), ('post-handshake', '1.3'))
# Of the log, one for each connection that is asked.
LINE = r'httpsysd: 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+ \(SNI "localhost"\): no client certificate: '


class Matrix(PeerTest):
    PATHS = ('/request', '/certificate?times=2', '/request')

    def check(self, way, version, mode, answers):
        der = self.good.der()
        before, asked, after = answers
        if way == 'handshake':
            self.assertEqual((before['client_certificate'], before['client_flags']), (der.hex(), 0))
        else:
            self.assertEqual(before['negotiated'], 0)
            self.assertNotIn('client_certificate', before)
        self.assertEqual(len(asked['calls']), 2)
        for call in asked['calls']:
            self.assertEqual((call['code'], call['flags'], call['bytes']), (SUCCESS, 0, 32 + len(der)), call)
            self.assertEqual(call['returned'], 0 if mode == 'blocking' else 997)
            self.assertEqual(call['data'], der.hex())
        self.assertEqual(after['client_certificate'], der.hex())
        self.assertEqual(after['negotiated'], 1)
        self.assertEqual({before['protocol'], after['protocol']}, {0x400 if version == '1.2' else 0x1000})
        self.assertEqual(before['raw_connection'], after['raw_connection'])

    def run_peer(self, peer):
        for mode in MODES:
            for way, version in WAYS:
                with self.subTest(mode=mode, way=way, version=version):
                    port, application = self.start_https(mode, *(['clientcertnegotiation=enable'] if way == 'handshake' else []))
                    self.check(way, version, mode, self.talk(peer, port, self.PATHS, version=version, credential=self.good))
                    application.kill()

    def test_curl(self):
        self.run_peer('curl')

    def test_s_client(self):
        self.run_peer('s_client')

    def test_gnutls_cli(self):
        self.run_peer('gnutls_cli')

    def test_python(self):
        self.run_peer('python')


class Refusals(PeerTest):
    def test_no_certificate(self):
        """Asked, and has none: the connection goes on, and the answer is remembered."""
        for way, version in WAYS:
            port, _application = self.start_https('event', *(['clientcertnegotiation=enable'] if way == 'handshake' else []))
            for peer in PEERS:
                with self.subTest(way=way, version=version, peer=peer):
                    before, asked, after = self.talk(peer, port, Matrix.PATHS, version=version)
                    for call in asked['calls']:
                        self.assertEqual((call['code'], call['returned']), (NOT_FOUND, 997))
                        self.assertTrue(call['reason'])
                    self.assertNotIn('client_certificate', after)
                    self.daemon.expect_log(LINE + 'the client was asked and sent no certificate\n')
                    self.assertEqual(before['raw_connection'], after['raw_connection'])

    def test_no_renegotiation(self):
        """The client answers HelloRequest with the alert no_renegotiation."""
        for mode in MODES:
            with self.subTest(mode=mode):
                port, _application = self.start_https(mode)
                process = self.s_client(port, '-no_renegotiation', version='1.2', credential=self.good)
                self.assertEqual(self.get(process, '/request')['negotiated'], 0)
                for call in self.get(process, '/certificate?times=2')['calls']:
                    self.assertEqual(call['code'], NOT_FOUND, call)
                    self.assertIn('refused to renegotiate', call['reason'])
                self.daemon.expect_log(LINE + 'the client refused to renegotiate\n')
                self.assertNotIn('client_certificate', self.get(process, '/request'))

    def test_cannot_be_asked(self):
        port, _application = self.start_https('blocking')
        with self.connect(port, version='1.3', credential=self.good) as connection:
            for call in self.certificate(connection, '?times=2'):
                self.assertEqual(call['code'], NOT_SUPPORTED, call)
        self.daemon.expect_log(LINE + r'the client speaks TLS 1\.3 and did not offer post_handshake_auth\n')
        port, _application = self.start_http('blocking')
        with self.connect(port, plain=True) as connection:
            for call in self.certificate(connection, '?times=2'):
                self.assertEqual(call['code'], NOT_FOUND, call)
        self.daemon.expect_log(r'127\.0\.0\.1:\d+ \(no TLS\): no client certificate: the connection is plain HTTP\n')
        self.assertNotRegex(self.daemon.log(), r'is plain HTTP\n[\s\S]*is plain HTTP\n')

    def test_reset(self):
        """The client vanishes when it has got the question (the one thing that TLS 1.2 sends unasked)."""
        port, application = self.start_https('port')
        connection = self.connect(port, version='1.2', credential=self.good)
        connection.send('GET /certificate HTTP/1.1\r\nHost: localhost\r\n\r\n')
        self.assertTrue(select.select([connection.socket], [], [], 20 * WAIT)[0])
        connection.reset()
        application.expect(f'^certificate ended {CONNECTION_INVALID}$')
        self.daemon.expect_log(LINE + 'the client reset the connection\n')


class Offers(PeerTest):
    def test_what_is_not_served(self):
        """The line says what the client offered and what there is."""
        for words, served in (((), 'TLS 1.2 and TLS 1.3 are'), (('disabletls13=enable',), 'TLS 1.2 is')):
            port, _application = self.start_https('blocking', *words)
            old = self.s_client(port, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')
            self.assertNotEqual(old.wait(), 0)
            self.assertIn('alert protocol version', old.stderr.text())
            self.daemon.expect_log(f'SNI "localhost".: TLS failed: the client offers TLS 1.1 at most; {served} served .alert 70 sent')
            for version in ('1.2',) if words else ('1.2', '1.3'):
                h2 = self.s_client(port, '-alpn', 'h2', version=version)
                self.assertNotEqual(h2.wait(), 0)
                self.assertIn('no application protocol', h2.stderr.text())
                self.daemon.expect_log('TLS failed: the client offers the application protocols "h2" .ALPN.; http/1.1 and http/1.0 are '
                                       'served .alert 120 sent')


class Flood(PeerTest):
    def test_the_log_is_bounded(self):
        """Clients that fail in the handshake fill neither the log nor hide lines of another kind."""
        port, _application = self.start_https('blocking')
        begin = time.monotonic()
        for _ in range(1000):
            with self.connect(port, plain=True) as connection:
                connection.send('GET / HTTP/1.1\r\n\r\n')
                connection.is_closed_by_peer()
        with self.connect(port, version='1.3') as connection:
            self.certificate(connection)
        self.daemon.expect_log(LINE)
        self.daemon.expect_log('and [1-9][0-9]* more like it were not written: lines about TLS that failed come faster than 10 a second')
        lines = self.daemon.log().count('TLS failed')
        self.assertGreaterEqual(lines, 100)
        self.assertLess(lines, min(800, 200 + 20 * (time.monotonic() - begin)))   # 10 a second, after a hundred


class OnItsOwn(PeerTest):
    def commands(self, port, **options):
        """An s_client; R and K at the beginning of what it reads from stdin are its own commands."""
        return self.s_client(port, credential=self.good, post_handshake=True, **options)

    def test_renegotiation_by_the_client(self):
        """Refused with a warning, upon which s_client gives up; the daemon serves others, and asks them."""
        port, _application = self.start_https('port')
        process = self.commands(port, version='1.2')
        self.assertEqual(self.get(process, '/request')['negotiated'], 0)
        process.send('R\n')
        process.expect('RENEGOTIATING', stream='stderr')
        with contextlib.suppress(Failure):   # it may have given up already
            process.send('GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n')
        process.expect('no renegotiation', stream='stderr')
        self.daemon.expect_log('the client began a renegotiation: refused')
        self.assertNotEqual(process.wait(), 0)
        answers = self.talk('s_client', port, ('/certificate',), version='1.2', credential=self.good)
        self.assertEqual(answers[0]['calls'][0]['code'], SUCCESS)

    def test_key_update(self):
        """The client changes its keys and asks for new ones of the server, before, between and after certificate calls."""
        for mode in MODES:
            with self.subTest(mode=mode):
                port, _application = self.start_https(mode)
                process = self.commands(port, version='1.3')
                for step, path in enumerate(('/plain', '/certificate', '/certificate', '/plain', '/request')):
                    process.send('K\n' if step % 2 else 'k\n')
                    process.expect('KEYUPDATE', stream='stderr')
                    answer = self.get(process, path)
                    if path == '/certificate':
                        self.assertEqual(answer['calls'][0]['code'], SUCCESS)
                self.assertEqual(answer['client_certificate'], self.good.der().hex())


class Crowd(PeerTest):
    def test_two_hundred_at_once(self):
        """All are asked before the first one answers, which they do in the opposite order."""
        for mode in MODES:
            for version in ('1.2', '1.3'):
                with self.subTest(mode=mode, version=version):
                    port, application = self.start_https(mode, threads=200)
                    crowd = [self.connect(port, version=version, credential=self.good, post_handshake=True) for _ in range(200)]
                    for connection in crowd:
                        connection.send('GET /certificate HTTP/1.1\r\nHost: localhost\r\n\r\n')
                    for connection in reversed(crowd):
                        call, = json.loads(connection.response().body)['calls']
                        self.assertEqual((call['code'], call['data']), (SUCCESS, self.good.der().hex()))
                    for connection in crowd:
                        self.assertEqual(self.ask(connection, '/request')['negotiated'], 1)
                        connection.close()
                    application.kill()


class DaemonEnds(PeerTest):
    config = {'timeouts': {'Shutdown': 3 if PATIENCE == 1 else 8}}

    def test_with_certificate_calls_pending(self):
        """A peer that answers in time is served; one that does not holds nothing up. Every call ends."""
        applications, crowd = [], []
        for mode in MODES:
            port, application = self.start_https(mode, threads=8)
            applications.append(application)
            crowd += [self.connect(port, version=version, credential=self.good, post_handshake=True)
                      for version in ('1.2', '1.3') for _ in range(2)]
        self.until_calls(8 * len(MODES), 0)
        for connection in crowd:
            connection.send('GET /certificate HTTP/1.1\r\nHost: localhost\r\n\r\n')
        self.until_calls(8 * len(MODES), len(crowd))
        self.daemon.process.signal(signal.SIGTERM)
        self.daemon.expect_log('ending: ')
        for number, good in enumerate(crowd[::2]):
            with self.subTest(mode=MODES[number // 2], version=('1.2', '1.3')[number % 2]):
                self.assertEqual(json.loads(good.response().body)['calls'][0]['code'], SUCCESS)
        self.assertEqual(self.daemon.process.wait(4), 0)
        for mode, application in zip(MODES, applications):
            with self.subTest(mode=mode):
                application.wait(5)
        self.daemon.start()


if __name__ == '__main__':
    harness.main()
