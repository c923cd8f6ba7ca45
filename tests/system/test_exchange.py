#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate exchange that does not go straight on: peers that are silent, calls that are cancelled meanwhile, clients that begin a
renegotiation themselves, sessions that are resumed elsewhere. (Python's ssl as a silent peer: test_certificates.py.)"""

import hashlib
import os
import signal
import threading

import harness
import peers
from application import MODES, PeerTest

SUCCESS, CONNECTION_INVALID, ABORTED = 0, 1229, 995
TALKERS = ('s_client', 'gnutls_cli')
VERSIONS = ('1.2', '1.3')


class SilentPeers(PeerTest):
    def silence(self, port, application, query=''):
        """One process of each kind that has sent its request and does nothing from before it is asked: (peer, version, process)."""
        mark = os.path.join(self.folder, f'asked-{port}')
        crowd = [(peer, version, getattr(self, peer)(port, version=version, credential=self.good, post_handshake=True))
                 for peer in TALKERS for version in VERSIONS]
        for _peer, _version, process in crowd:
            process.send(f'GET /certificate?until={mark}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n')
            application.expect('^asking$')
            os.killpg(process.pid, signal.SIGSTOP)
        with open(mark, 'x', encoding='ascii'):
            return crowd


class Silence(SilentPeers):
    config = {'timeouts': {'SslRenegotiation': 0.8}}

    def test_silence(self):
        """The connection is closed in its time, and the call fails."""
        for mode in MODES:
            port, application = self.start_https(mode)
            crowd = self.silence(port, application)
            for _ in crowd:
                application.expect(f'^certificate ended {CONNECTION_INVALID}$')
                self.daemon.expect_log(r'did not answer the request for a certificate within 0\.8 s \(SslRenegotiation\)')
            for peer, version, process in crowd:
                with self.subTest(mode=mode, peer=peer, version=version):
                    os.killpg(process.pid, signal.SIGCONT)
                    process.wait()
                    self.assertNotIn('HTTP/1.1', process.stdout.text())


class Cancel(SilentPeers):
    def test_cancel(self):
        """The call ends at once. With TLS 1.3 the answer goes out at once, too, with TLS 1.2 when the client has answered; what it has
        answered is known to the next call."""
        for mode in ('event', 'port'):
            port, application = self.start_https(mode)
            crowd = self.silence(port, application, '&cancel=50')
            for _ in crowd:
                application.expect(f'^certificate ended {ABORTED}$')
            for peer, version, process in crowd:
                with self.subTest(mode=mode, peer=peer, version=version):
                    os.killpg(process.pid, signal.SIGCONT)
                    call, = self.answer(process)['calls']
                    self.assertEqual((call['code'], call['returned']), (ABORTED, 997))
                    call, = self.get(process, '/certificate')['calls']
                    self.assertEqual((call['code'], call['data']), (SUCCESS, self.good.der().hex()))
                    self.assertEqual(self.get(process, '/request')['negotiated'], 1)
                    process.kill()

    def test_cancel_while_python_does_not_read(self):
        for mode in ('event', 'port'):
            port, application = self.start_https(mode)
            for version in VERSIONS:
                with self.subTest(mode=mode, version=version):
                    connection = self.connect(port, version=version, credential=self.good, post_handshake=True)
                    connection.send('GET /certificate?cancel=50 HTTP/1.1\r\nHost: localhost\r\n\r\n')
                    application.expect(f'^certificate ended {ABORTED}$')
                    self.assertIn(b'"code": 995', connection.response().body)
                    self.assertEqual(self.certificate(connection)[0]['code'], SUCCESS)


class CancelAndSilence(SilentPeers):
    config = {'timeouts': {'SslRenegotiation': 0.8, 'IdleConnection': 30}}

    def test_a_client_that_never_answers_after_a_cancel(self):
        """TLS 1.2 cannot go on without the answer; to TLS 1.3 it is owed."""
        port, application = self.start_https('port')
        crowd = self.silence(port, application, '&cancel=50')
        for _ in crowd:
            application.expect(f'^certificate ended {ABORTED}$')
        for _ in TALKERS:
            self.daemon.expect_log('SslRenegotiation')
        for peer, version, process in crowd:
            with self.subTest(peer=peer, version=version):
                os.killpg(process.pid, signal.SIGCONT)
                if version == '1.2':
                    process.wait()
                    self.assertNotIn('HTTP/1.1', process.stdout.text())
                else:
                    self.assertEqual(self.answer(process)['calls'][0]['code'], ABORTED)
                    self.assertEqual(self.get(process, '/certificate')['calls'][0]['code'], SUCCESS)


class ByTheClient(PeerTest):
    def test_several_renegotiations(self):
        """gnutls-cli takes the warning for a reason to try again: the fourth time it is cut off. Before and after our own question."""
        port, _application = self.start_https('port')
        for asks_first in (False, True):
            with self.subTest(asks_first=asks_first):
                process = self.gnutls_cli(port, '--inline-commands', version='1.2', credential=self.good)
                if asks_first:
                    self.assertEqual(self.get(process, '/certificate')['calls'][0]['code'], SUCCESS)
                else:
                    self.assertEqual(self.get(process, '/request')['negotiated'], 0)
                process.send('^renegotiate^\n')
                self.assertNotEqual(process.wait(), 0)
                self.assertEqual(process.stderr.text().count('A TLS warning alert has been received'), 3, process.describe())
                self.assertIn('A TLS fatal alert has been received', process.stderr.text())
                self.daemon.expect_log('the client began a renegotiation: refused')
                self.daemon.expect_log(r'the client goes on asking for a renegotiation, more than 3 times .*\(alert 100 sent\)')
        answer, = self.talk('gnutls_cli', port, ('/certificate',), version='1.2', credential=self.good)
        self.assertEqual(answer['calls'][0]['code'], SUCCESS)


class Updates(PeerTest):
    def test_no_gap(self):
        """While the record is changed, and what all records share, every handshake succeeds, with the one certificate or the other."""
        port, _application = self.start_https('blocking')
        thumbprints = [self.import_certificate(credential) for credential in (self.certificates.server, self.certificates.server_rsa)]
        ended, failures, seen = threading.Event(), [], set()

        def visit(version):
            while not ended.is_set():
                try:
                    with peers.Connection(port, peers.tls_context(self.certificates, version)) as connection:
                        seen.add(hashlib.sha1(connection.socket.getpeercert(True)).hexdigest())
                except OSError as error:
                    failures.append(error)

        visitors = [threading.Thread(target=visit, args=(version,)) for version in VERSIONS]
        for visitor in visitors:
            visitor.start()
        try:
            for step in range(20):
                self.ctl('update', 'sslcert', f'ipport=127.0.0.1:{port}', f'certhash={thumbprints[step % 2]}')
                self.import_authority(with_crl=True)
        finally:
            ended.set()
            for visitor in visitors:
                visitor.join()
        self.assertEqual((failures, seen), ([], set(thumbprints)))


class Resumption(PeerTest):
    """A ticket opens a session where it was given and nowhere else."""

    def session(self, context, port, name='localhost'):
        with peers.Connection(port, context, name=name) as connection:
            connection.get('/plain')   # TLS 1.3 sends tickets behind the handshake
            return connection.socket.session

    def resume(self, context, port, session, name='localhost'):
        connection = peers.Connection(port)
        self.addCleanup(connection.close)
        connection.socket = context.wrap_socket(connection.socket, server_hostname=name, session=session)
        return connection

    def context(self, version):
        context = peers.tls_context(self.certificates, version, self.good, True)
        context.check_hostname = False
        return context

    def test_where_it_was_given(self):
        port, _application = self.start_https('blocking')
        for version in VERSIONS:
            context = self.context(version)
            self.assertTrue(self.resume(context, port, self.session(context, port)).socket.session_reused, version)

    def test_another_name(self):
        port, _application = self.start_https('blocking')
        for version in VERSIONS:
            context = self.context(version)
            session = self.session(context, port, 'other.example.test')
            self.assertFalse(self.resume(context, port, session).socket.session_reused, version)

    def test_another_record(self):
        """Of the same certificate and name, one that asks in the handshake: a resumed session would have no certificate."""
        port, _application = self.start_https('blocking')
        asking, _other = self.start_https('blocking', 'clientcertnegotiation=enable')
        for version in VERSIONS:
            context = self.context(version)
            connection = self.resume(context, asking, self.session(context, port))
            self.assertFalse(connection.socket.session_reused, version)
            self.assertEqual(self.ask(connection, '/request')['client_certificate'], self.good.der().hex())

    def test_a_record_that_asks_from_now_on(self):
        for version in VERSIONS:
            port, application = self.start_https('blocking')
            context = self.context(version)
            session = self.session(context, port)
            self.ctl('update', 'sslcert', f'ipport=127.0.0.1:{port}', 'clientcertnegotiation=enable')
            connection = self.resume(context, port, session)
            self.assertFalse(connection.socket.session_reused, version)
            self.assertEqual(self.ask(connection, '/request')['client_certificate'], self.good.der().hex())
            application.kill()

    def test_another_certificate(self):
        for version in VERSIONS:
            port, application = self.start_https('blocking')
            context = self.context(version)
            session = self.session(context, port)
            thumbprint = self.import_certificate(self.certificates.server_rsa)
            self.ctl('update', 'sslcert', f'ipport=127.0.0.1:{port}', f'certhash={thumbprint}')
            self.assertFalse(self.resume(context, port, session).socket.session_reused, version)
            application.kill()


if __name__ == '__main__':
    harness.main()
