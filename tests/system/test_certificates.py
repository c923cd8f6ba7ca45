#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""HttpReceiveClientCertificate, line by line, in the three ways to a certificate, with Python's ssl as the peer: blocking, with an event,
through a completion port. (Other peers: test_peers.py.)"""

import hashlib
import re
import ssl

import harness
from certificates import HOSTILE
from application import MODES, ApiTest

SUCCESS, MORE_DATA, NOT_FOUND, NOT_SUPPORTED, INVALID, SMALL, PENDING = 0, 234, 1168, 50, 87, 122, 997
CONNECTION_INVALID, ABORTED = 1229, 995
# With the CA's revocation list loaded. The chain's intermediates have none: CRYPT_E_NO_REVOCATION_CHECK.
FLAGS = {'good': 0, 'chain': 0x80092012, 'large': 0, 'expired': 0x800B0101, 'early': 0x800B0101, 'self_signed': 0x800B0109,
         'stranger': 0x800B0109, 'hostile': 0x800B0109, 'revoked': 0x800B010C, 'server_only': 0x800B0110, 'v1': 0x800B010A}

# What the log says of it.
LOGGED = {'chain': 'no revocation list', 'expired': 'has expired', 'early': 'not valid yet', 'self_signed': 'is self-signed',
          'stranger': 'no trusted CA', 'hostile': 'no trusted CA', 'revoked': 'is revoked',
          'server_only': 'does not allow client authentication', 'v1': 'not an X.509 v3 certificate'}


class Certificates(ApiTest):
    def setUp(self):
        self.import_authority(with_crl=True)

    def each(self):
        for mode in MODES:
            port, application = self.start_https(mode)
            with self.subTest(mode=mode):
                yield mode, port, application

    def on_demand(self, port, version, name='good'):
        credential = self.certificates.clients[name] if name else None
        return self.connect(port, version=version, credential=credential, post_handshake=True)

    def check_success(self, call, mode, credential):
        der = credential.der()
        self.assertEqual(call['code'], SUCCESS, call)
        self.assertEqual(call['returned'], SUCCESS if mode == 'blocking' else PENDING)
        self.assertEqual(call['data'], der.hex())
        self.assertEqual(call['size'], len(der))
        self.assertEqual(call['bytes'], 32 + len(der))
        self.assertEqual(call['offset'], 32)
        self.assertEqual(call['token_null'], 1)

    def test_on_demand(self):
        for mode, port, _application in self.each():
            for version in ('1.2', '1.3'):
                with self.subTest(version=version), self.on_demand(port, version) as connection:
                    self.assertEqual(self.ask(connection, '/request')['negotiated'], 0)
                    self.check_success(self.certificate(connection)[0], mode, self.certificates.clients['good'])
                    # The second call is answered from what is known, and the next request has it from the start.
                    self.check_success(self.certificate(connection)[0], mode, self.certificates.clients['good'])
                    request = self.ask(connection, '/request')
                    self.assertEqual(request['negotiated'], 1)
                    self.assertEqual(request['client_certificate'], self.certificates.clients['good'].der().hex())
                    self.assertEqual(request['protocol'], 0x400 if version == '1.2' else 0x1000)

    def test_verdicts(self):
        for version in ('1.2', '1.3'):
            port, _application = self.start_https('blocking')
            for name, flags in FLAGS.items():
                with self.subTest(version=version, client=name), self.on_demand(port, version, name) as connection:
                    call = self.certificate(connection, '?size=40000')[0]
                    self.assertEqual(call['code'], SUCCESS, call)
                    self.assertEqual(hex(call['flags']), hex(flags))
                    self.assertEqual(call['data'], self.certificates.clients[name].der().hex())
                    if flags:
                        self.daemon.expect_log(f'SNI "localhost".: a client certificate that does not verify: .*{LOGGED[name]}.* '
                                               rf'\(CertFlags 0x{flags:08X}\)$')

    def test_a_bad_one_in_the_handshake_is_logged_at_once(self):
        port, _application = self.start_https('blocking', 'clientcertnegotiation=enable')
        for version in ('1.2', '1.3'):
            with self.connect(port, version=version, credential=self.certificates.clients['expired']):
                self.daemon.expect_log('has expired.*CertFlags 0x800B0101')

    def test_names_that_others_choose_do_nothing_to_the_log(self):
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}')
        path = re.sub('[\x00-\x1f\x7f-\x9f]', '', HOSTILE)   # control characters are refused in a URL
        self.start('blocking', f'https://localhost:{port}/{path}/', f'https://localhost:{port}/certificate/')
        for version in ('1.2', '1.3'):
            with self.connect(port, version=version) as connection:
                self.assertEqual(connection.get('/elsewhere').status, 404)
                self.daemon.expect_log(r'; registered here: .*/\\u202eevil\\u2066\\u2028\\u200b\[2J31mhttpsysd: ready\\", uid 0/"')
            with self.on_demand(port, version, 'hostile') as connection:
                self.assertEqual(self.certificate(connection, '?size=40000')[0]['flags'], FLAGS['hostile'])
                name = r'\\u202eevil\\u2066\\u2028\\u200b\\\\x1b\[2J.*\\\\x0ahttpsysd: ready\\"'
                self.daemon.expect_log(f'does not verify: no trusted CA for "[^"]*", the issuer of the certificate "CN=.*{name}.*O=')
        for line in self.daemon.log().split('\n'):
            self.assertTrue(line.isprintable(), ascii(line))   # nothing of categories C and Z but the space
            self.assertFalse(line.startswith('httpsysd: ready", uid 0'))

    def test_full_chain(self):
        port, _application = self.start_https('event')
        chain = self.certificates.clients['chain'].chain_der()
        self.assertEqual(len(chain), 4)
        for version in ('1.2', '1.3'):
            with self.subTest(version=version), self.on_demand(port, version, 'chain') as connection:
                call = self.certificate(connection, '?flags=2&size=20000')[0]
                self.assertEqual(call['code'], SUCCESS, call)
                self.assertEqual(call['data'], b''.join(chain).hex())
                self.assertEqual(call['bytes'], 32 + sum(map(len, chain)))

    def test_in_the_handshake(self):
        for mode in MODES:
            port, _application = self.start_https(mode, 'clientcertnegotiation=enable')
            for version in ('1.2', '1.3'):
                with self.subTest(mode=mode, version=version):
                    with self.connect(port, version=version, credential=self.certificates.clients['good']) as connection:
                        request = self.ask(connection, '/request')
                        self.assertEqual(request['client_certificate'], self.certificates.clients['good'].der().hex())
                        self.assertEqual(request['client_flags'], 0)
                        self.check_success(self.certificate(connection)[0], mode, self.certificates.clients['good'])
                    with self.connect(port, version=version) as connection:
                        self.assertNotIn('client_certificate', self.ask(connection, '/request'))
                        self.assertEqual(self.certificate(connection)[0]['code'], NOT_FOUND)

    def test_none(self):
        for mode, port, _application in self.each():
            for version in ('1.2', '1.3'):
                with self.subTest(version=version), self.on_demand(port, version, None) as connection:
                    call = self.certificate(connection)[0]
                    self.assertEqual(call['code'], NOT_FOUND)
                    self.assertEqual(call['bytes'], 0 if mode != 'blocking' else call['bytes'])
                    self.assertTrue(call['reason'])
                    # Remembered, and the connection goes on.
                    self.assertEqual(self.certificate(connection)[0]['code'], NOT_FOUND)
                    self.assertEqual(connection.get('/plain').status, 200)

    def test_cannot_be_asked(self):
        for _mode, port, _application in self.each():
            with self.connect(port, version='1.3', credential=self.certificates.clients['good']) as connection:
                call = self.certificate(connection)[0]
                self.assertEqual(call['code'], NOT_SUPPORTED)
                self.assertIn('post_handshake_auth', call['reason'])
                self.assertEqual(connection.get('/plain').status, 200)

    def test_plain_http(self):
        for mode in MODES:
            port, _application = self.start_http(mode)
            with self.subTest(mode=mode), self.connect(port, plain=True) as connection:
                for flags, code in ((0, NOT_FOUND), (2, NOT_FOUND), (1, INVALID)):
                    self.assertEqual(self.certificate(connection, f'?flags={flags}')[0]['code'], code)

    def test_sizes(self):
        size = len(self.certificates.clients['good'].der())
        for _mode, port, _application in self.each():
            with self.on_demand(port, '1.3') as connection:
                call = self.certificate(connection, '?size=31')[0]
                self.assertEqual((call['code'], call['untouched'], call['returned']), (SMALL, 1, SMALL))
                for room in (32, 33, 32 + size - 1):
                    first, second = self.certificate(connection, f'?size={room}&retry=1')
                    self.assertEqual((first['code'], first['bytes'], first['size'], first['offset']), (MORE_DATA, 32, size, 0))
                    self.assertEqual((second['code'], second['bytes'], second['past_end']), (SUCCESS, 32 + size, 1))
                self.assertEqual(self.certificate(connection, '?size=32&retry=1&less=1')[1]['code'], MORE_DATA)

    def test_channel_token(self):
        digest = hashlib.sha256(self.certificates.server.der()).digest()
        token = bytes(24) + (53).to_bytes(4, 'little') + (32).to_bytes(4, 'little') + b'tls-server-end-point:' + digest
        for _mode, port, _application in self.each():
            for version in ('1.2', '1.3'):
                with self.connect(port, version=version) as connection:
                    call = self.certificate(connection, '?flags=1&size=152')[0]
                    self.assertEqual((call['code'], call['bytes'], call['size'], call['offset']), (SUCCESS, 24 + 85, 85, 24))
                    self.assertEqual(call['data'], token.hex())
                    first, second = self.certificate(connection, '?flags=1&size=24&retry=1')
                    self.assertEqual((first['code'], first['bytes'], first['size']), (MORE_DATA, 24, 85))
                    self.assertEqual((second['code'], second['bytes']), (SUCCESS, 109))
                    self.assertEqual(self.certificate(connection, '?flags=1&size=23')[0]['code'], SMALL)

    def test_flags(self):
        for _mode, port, _application in self.each():
            with self.connect(port) as connection:
                for flags in (3, 4, 0x80000000):
                    call = self.certificate(connection, f'?flags={flags}')[0]
                    self.assertEqual((call['code'], call['returned']), (INVALID, INVALID))

    def test_too_large(self):
        port, _application = self.start_https('event')
        for version in ('1.2', '1.3'):
            with self.subTest(version=version), self.on_demand(port, version, 'huge') as connection:
                connection.send('GET /certificate?size=100000 HTTP/1.1\r\nHost: localhost\r\n\r\n')
                self.assertTrue(connection.is_closed_by_peer())
                self.daemon.expect_log('MaxClientCertificateBytes')

    def test_body_that_comes_before_the_answer(self):
        for mode, port, _application in self.each():
            for version in ('1.2', '1.3'):
                with self.subTest(version=version), self.on_demand(port, version) as connection:
                    body = b'x' * 10_000_000
                    connection.send(f'POST /certificate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n')
                    connection.send(body)
                    response = connection.response()
                    self.assertEqual(response.status, 200)
                    self.assertIn(self.certificates.clients['good'].der().hex().encode(), response.body)
                    self.assertEqual(connection.get('/plain').status, 200)

    def test_no_continue_for_a_certificate_alone(self):
        port, _application = self.start_https('blocking')
        for version in ('1.2', '1.3'):
            with self.subTest(version=version), self.on_demand(port, version) as connection:
                connection.send('POST /certificate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
                self.assertTrue(connection.socket.recv(20).startswith(b'HTTP/1.1 200 '))

    def test_pipelined_request(self):
        port, _application = self.start_https('port')
        for version in ('1.2', '1.3'):
            with self.subTest(version=version), self.on_demand(port, version) as connection:
                connection.send('GET /certificate HTTP/1.1\r\nHost: localhost\r\n\r\n'
                                'GET /status?code=299 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
                answer = b''
                while part := connection.socket.recv(65536):
                    answer += part
                self.assertLess(answer.index(b'HTTP/1.1 200'), answer.index(b'HTTP/1.1 299'))

    def test_resumed(self):
        port, _application = self.start_https('blocking')
        for version in ('1.2', '1.3'):
            context = harness.peers.tls_context(self.certificates, version, self.certificates.clients['good'], True)
            with harness.peers.Connection(port, context) as first:
                self.assertEqual(self.certificate(first)[0]['code'], SUCCESS)
                session = first.socket.session
            with harness.peers.Connection(port) as second:
                second.socket = context.wrap_socket(second.socket, server_hostname='localhost', session=session)
                self.assertTrue(second.socket.session_reused)
                self.assertNotIn('client_certificate', self.ask(second, '/request'))
                self.assertEqual(self.certificate(second)[0]['code'], SUCCESS)


class WithoutRevocationLists(ApiTest):
    def test_chain_of_four_verifies(self):
        self.import_authority()
        port, _application = self.start_https('port')
        for version in ('1.2', '1.3'):
            with self.connect(port, version=version, credential=self.certificates.clients['chain'], post_handshake=True) as connection:
                call = self.certificate(connection)[0]
                self.assertEqual((call['code'], call['flags']), (SUCCESS, 0))


class ChangesAtOnce(ApiTest):
    def test_authorities_and_lists(self):
        """Both are global and valid for new requests at once, on connections that are up."""
        port, _application = self.start_https('blocking')
        connections = [self.connect(port, version=version, credential=self.certificates.clients['revoked'], post_handshake=True)
                       for version in ('1.2', '1.3')]

        def check(flags):
            for connection in connections:
                self.assertEqual(hex(self.certificate(connection)[0]['flags']), hex(flags))
                self.assertEqual(hex(self.ask(connection, '/request')['client_flags']), hex(flags))

        check(0x800B0109)
        self.import_authority()
        check(0)
        self.import_authority(with_crl=True)
        check(0x800B010C)


class Silence(ApiTest):
    config = {'timeouts': {'SslRenegotiation': 1.5}}

    def test_silence(self):
        """Clients that never answer: it closes the connections after their time, and the calls fail."""
        silent = []
        for mode in MODES:
            for version in ('1.2', '1.3'):
                port, application = self.start_https(mode)
                # Python answers only when it reads.
                connection = self.connect(port, version=version, post_handshake=True)
                connection.send('GET /certificate HTTP/1.1\r\nHost: localhost\r\n\r\n')
                silent.append((mode, version, application, connection))
        for mode, version, application, _connection in silent:
            with self.subTest(mode=mode, version=version):
                application.expect('send ended 1229', 10)
        harness.eventually(lambda: self.daemon.log().count('(SslRenegotiation)') == len(silent), 10, 'a line for each')


class Limits(ApiTest):
    config = {'limits': {'CertificateWaitBodyBytes': 300000}}

    def test_body_limit(self):
        for version in ('1.2', '1.3'):
            port, application = self.start_https('event')
            with self.subTest(version=version):
                connection = self.connect(port, version=version, post_handshake=True)
                connection.send(b'POST /certificate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n' + b'x' * 330000)
                application.expect('^certificate ended 1450$')
                self.daemon.expect_log('CertificateWaitBodyBytes')
                try:
                    response = connection.response()
                except ssl.SSLError:
                    # OpenSSL takes an answer in the middle of a renegotiation, but not at each of its moments.
                    self.assertEqual(version, '1.2')
                    continue
                self.assertIn(b'"code": 1450', response.body)
                self.assertIn(b'CertificateWaitBodyBytes', response.body)
                self.assertEqual(response.header('Connection'), 'close')

    def test_cancel(self):
        for mode in ('event', 'port'):
            port, application = self.start_https(mode)
            with self.subTest(mode=mode):
                connection = self.connect(port, version='1.3', credential=self.certificates.clients['good'], post_handshake=True)
                connection.send('GET /certificate?cancel=100 HTTP/1.1\r\nHost: localhost\r\n\r\n')
                application.expect('^certificate ended 995$')   # Python answers only when it reads
                response = connection.response()
                self.assertIn(b'"code": 995', response.body)
                # The late answer is kept for the next call.
                self.assertEqual(self.certificate(connection)[0]['code'], SUCCESS)


if __name__ == '__main__':
    harness.main()
