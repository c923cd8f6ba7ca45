#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness itself: certificates are what their names say, each peer really presents them, and what has to fail a test does."""

import contextlib
import io
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

import browser
import certificates
import harness
import peers
import processes

# Stands in for httpsysd: makes the socket, writes what the test wants, ends as the test wants.
STAND_IN = '''#!/usr/bin/env python3
import os, signal, socket, sys
path = sys.argv[sys.argv.index('--socket') + 1]
signal.signal(signal.SIGTERM, lambda *_: os._exit(int(os.environ.get('STATUS', '0'))))
print('started', sys.argv[1:], os.environ.get('LINE', ''), file=sys.stderr, flush=True)
if 'FAIL' in os.environ:
    sys.exit(1)
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
    control.bind(path + '.new')
    os.rename(path + '.new', path)
    signal.pause()
'''


class CertificateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = certificates.load()

    def verify(self, name, *arguments, purpose='sslclient'):
        """What `openssl verify` says; 'OK' for a good one."""
        mine = self.certificates
        credential = mine.clients.get(name) or getattr(mine, name)
        try:
            certificates.openssl('verify', '-CAfile', mine.ca, '-CRLfile', mine.crl, '-untrusted', credential.chain, '-purpose', purpose,
                                 *arguments, credential.certificate)
            return 'OK'
        except RuntimeError as error:
            return str(error)

    def test_verification(self):
        for name, words in {'good': 'OK', 'chain': 'OK', 'large': 'OK', 'huge': 'OK', 'expired': 'certificate has expired',
                            'early': 'certificate is not yet valid', 'self_signed': 'self-signed certificate',
                            'stranger': 'unable to get local issuer', 'server_only': 'unsuitable certificate purpose'}.items():
            self.assertIn(words, self.verify(name), name)
        self.assertEqual(self.verify('revoked'), 'OK')
        self.assertIn('certificate revoked', self.verify('revoked', '-crl_check'))
        self.assertEqual(self.verify('good', '-crl_check'), 'OK')
        for name in ('server', 'server_rsa', 'server_sha384'):
            self.assertEqual(self.verify(name, '-verify_hostname', 'localhost', purpose='sslserver'), 'OK')
            self.assertEqual(self.verify(name, '-verify_ip', '::1', purpose='sslserver'), 'OK')
            self.assertIn('IP address mismatch', self.verify(name, '-verify_ip', '127.0.0.2', purpose='sslserver'))
        self.assertEqual(self.verify('server_other', '-verify_hostname', 'other.example.test', purpose='sslserver'), 'OK')

    def test_forms(self):
        def text(credential):
            return certificates.openssl('x509', '-noout', '-text', '-in', credential.certificate)
        every = {**self.certificates.clients, 'server': self.certificates.server}
        for name, credential in every.items():
            self.assertIn('Version: 1 (0x0)' if name == 'v1' else 'Version: 3 (0x2)', text(credential), name)
        self.assertIn('ecdsa-with-SHA384', text(self.certificates.server_sha384))
        self.assertIn('(2048 bit)', text(self.certificates.server_rsa))
        self.assertEqual([len(self.certificates.clients[name].chain_der()) for name in ('good', 'chain')], [1, 4])
        self.assertTrue(16384 < len(self.certificates.clients['large'].der()) < 32768 < len(self.certificates.clients['huge'].der()))
        self.assertRegex(self.certificates.server.thumbprint(), '^[0-9a-f]{40}$')
        self.assertTrue(os.path.exists(self.certificates.clients['good'].pkcs12()))

    def test_made_once(self):
        with tempfile.TemporaryDirectory() as folder:
            place = os.path.join(folder, 'certificates')
            first = certificates.load(place).server.thumbprint()
            self.assertEqual(certificates.load(place).server.thumbprint(), first)
            old = time.time() - certificates.LIFETIME - 1
            os.utime(os.path.join(place, 'made-by'), (old, old))
            self.assertNotEqual(certificates.load(place).server.thumbprint(), first)


class TlsServer:
    """Answers with the subject of the client's certificate, or "none". With ask_later it asks by TLS 1.3 post-handshake authentication,
    when the request has come."""

    def __init__(self, mine, version, ask_later=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(mine.server.chain, mine.server.key)
        self.context.load_verify_locations(mine.ca)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.maximum_version = {'1.2': ssl.TLSVersion.TLSv1_2, '1.3': ssl.TLSVersion.TLSv1_3}[version]
        self.context.post_handshake_auth = self.ask_later = ask_later
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=[self.listener.accept()[0]], daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):   # of which ssl.SSLError is one
            with self.context.wrap_socket(connection, server_side=True) as stream:
                self.answer(stream)

    def answer(self, stream):
        request = b''
        while b'\r\n\r\n' not in request:
            part = stream.recv(65536)
            if not part:
                return
            request += part
        if self.ask_later:
            stream.verify_client_post_handshake()
            stream.send(b'HTTP/1.1 103 Early Hints\r\n\r\n')
            stream.recv(1)   # the client's authentication is read together with its next byte
        subject = dict(part[0] for part in stream.getpeercert()['subject']) if stream.getpeercert() else {'commonName': 'none'}
        body = f'{subject["commonName"]} {stream.version()}\n'
        stream.send(f'HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}'.encode())

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)   # wakes the thread, which close alone does not
        self.thread.join(10)
        self.listener.close()


class PeerTest(unittest.TestCase):
    REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

    @classmethod
    def setUpClass(cls):
        cls.certificates = certificates.load()

    def server(self, version, **options):
        server = TlsServer(self.certificates, version, **options)
        self.addCleanup(server.close)
        return server.port

    def ask(self, peer, port, more='', **options):
        """The body that a peer receives."""
        if peer == 'curl':
            process = peers.curl(self.certificates, f'https://localhost:{port}/', **options)
            self.assertEqual((process.status, process.response.status), (0, 200), process.describe())
            return process.response.body.decode()
        if peer == 'python':
            with peers.Connection(port, peers.tls_context(self.certificates, **options)) as connection:
                connection.send(self.REQUEST)
                if more:
                    self.assertIn(b'Early Hints', connection.socket.recv(65536))
                    connection.send(more)
                return connection.response().body.decode()
        process = getattr(peers, peer)(self.certificates, port, **options)
        self.addCleanup(process.kill)
        process.send(self.REQUEST)
        if more:
            process.expect('Early Hints')
            process.send(more)
        return process.expect(r'^(.*) TLSv1\.\d$').group().decode() + '\n'

    def test_certificate_in_the_handshake(self):
        good = self.certificates.clients['good']
        for version in ('1.2', '1.3'):
            port = self.server(version)
            for peer in ('curl', 's_client', 'gnutls_cli', 'python'):
                with self.subTest(peer=peer, version=version):
                    self.assertEqual(self.ask(peer, port, version=version, credential=good), f'Alice TLSv{version}\n')
                    self.assertEqual(self.ask(peer, port, version=version), f'none TLSv{version}\n')

    def test_certificate_after_the_handshake(self):
        port = self.server('1.3', ask_later=True)
        for peer in ('s_client', 'gnutls_cli', 'python'):
            with self.subTest(peer=peer):
                body = self.ask(peer, port, more='x', credential=self.certificates.clients['good'], post_handshake=True)
                self.assertEqual(body, 'Alice TLSv1.3\n')

    def test_browser(self):
        port = self.server('1.2')
        for credential, words in [(None, 'none'), (self.certificates.clients['good'], 'Alice')]:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                process = browser.visit(self.certificates, f'https://localhost:{port}/', folder, credential)
                self.assertIn(f'{words} TLSv1.2', process.page, process.describe())

    def test_an_untrusted_server_is_noticed(self):
        mine = certificates.Certificates(self.certificates.folder)
        mine.ca = mine.other_ca
        port = self.server('1.3')
        self.assertEqual(peers.curl(mine, f'https://localhost:{port}/').status, 60)
        for peer in (peers.s_client, peers.gnutls_cli):
            process = peer(mine, port)
            self.addCleanup(process.kill)
            self.assertNotEqual(process.wait(), 0)
        with self.assertRaises(ssl.SSLCertVerificationError):
            peers.Connection(port, peers.tls_context(mine))

    def test_responses(self):
        for data, method, expected in [
                (b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab', 'GET', (200, b'ab')),
                (b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', 'GET', (404, b'')),
                (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\nA: 1\r\n\r\n', 'GET', (200, b'abc')),
                (b'HTTP/1.0 200 OK\r\n\r\nuntil the end', 'GET', (200, b'until the end')),
                (b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD', (200, b'')),
                (b'HTTP/1.1 304 Not Modified\r\n\r\n', 'GET', (304, b''))]:
            for step in (1, 3, 65536):
                stream = io.BytesIO(data)
                response = peers.read_response(lambda count, stream=stream, step=step: stream.read(min(step, count)), method)
                self.assertEqual((response.status, response.body), expected)
        for data, error in [(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab', EOFError),
                            (b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab', ValueError)]:
            with self.assertRaises(error):
                peers.read_response(io.BytesIO(data).read)


def is_running(pid):
    """Not a process that has ended and that nobody has waited for."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as stat:
            return stat.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except (FileNotFoundError, ProcessLookupError):
        return False


class ProcessTest(unittest.TestCase):
    def process(self, script, **options):
        process = processes.Process(['sh', '-c', script], **options)
        self.addCleanup(process.kill)
        return process

    def test_talk(self):
        process = self.process('echo ready; read line; echo "got $line" >&2; exit 3')
        process.expect('^ready$')
        process.send('word\n')
        self.assertEqual(process.expect('^got (.*)$', stream='stderr').group(1), b'word')
        self.assertEqual(process.wait(), 3)

    def test_waits_are_bounded(self):
        process = self.process('sleep 100')
        for wait in (lambda: process.expect('never', 0.05), lambda: process.wait(0.05), lambda: processes.eventually(lambda: False, 0.05)):
            with self.assertRaises(processes.Failure):
                wait()
        with self.assertRaises(processes.Failure):
            self.process('exit 0').expect('never', 30)
        self.assertEqual(self.process('sleep 100', limit=0.2).wait(), 124)

    def test_what_is_shown(self):
        """Neither hundreds of refusals nor a long answer push an assertion out of the last hundred lines."""
        text = 'first\n' + ''.join(f'127.0.0.1:{port} is refused\n' for port in range(300)) + 'x' * 10000 + '\nlast 1\nlast 2\n'
        self.assertEqual(processes.shortened(text).splitlines(), [
            'first', '127.0.0.1:0 is refused', '127.0.0.1:1 is refused', '[298 more like it]',
            'x' * 500 + ' [9500 more characters]', 'last 1', 'last 2'])
        lines = ['x' * number for number in range(1, 400)]
        for end in (40, 41, 399):
            some = lines[:end]
            self.assertEqual(processes.shortened('\n'.join(some)).splitlines(),
                             some if end == 40 else [*some[:20], f'[{end - 40} lines]', *some[-20:]])
        self.assertEqual(processes.shortened('a1\na2\na3'), 'a1\na2\n[1 more like it]')
        process = self.process('for i in $(seq 1000); do echo "$i"; done; echo end; exit 1')
        process.wait()
        self.assertLess(len(process.describe().splitlines()), 15)
        self.assertIn('[998 more like it]\nend\n', process.describe())

    def test_within(self):
        """What the machine adds is told by somebody who only sleeps."""
        for late, words in ((0, 'x: not within .* after 0[.]'), (1, None)):
            with mock.patch.object(processes.Sleeper, 'late', lambda _self, late=late: late), (
                    self.assertRaisesRegex(processes.Failure, words) if words else contextlib.nullcontext()):
                with processes.Within(0.01 / processes.PATIENCE, 'x'):
                    time.sleep(0.1)
        with processes.Within(60, 'x') as within:
            within.sleeper.stop()
            time.sleep(0.3)
            within.sleeper.signal(signal.SIGCONT)
        self.assertGreater(within.late, 0.25)
        sleeper = processes.Sleeper()
        try:
            for _ in range(3):
                sleeper.stop()
                time.sleep(0.3)
                sleeper.signal(signal.SIGCONT)
                time.sleep(0.02)
            self.assertGreater(sleeper.late(), 0.8)
            self.assertGreater(sleeper.worst, 0.25)
            self.assertLess(sleeper.worst, 0.75)
            self.assertLess(sleeper.late(), 0.25)
        finally:
            sleeper.kill()
        with self.assertRaises(KeyError):
            with processes.Within(60, 'x') as within:
                raise KeyError
        self.assertFalse(within.sleeper.is_running())

    def test_pid_is_the_program(self):
        process = self.process('echo $$')
        self.assertEqual(int(process.expect(r'^(\d+)$').group(1)), process.pid)

    def test_nobody_outlives_a_killed_test_program(self):
        """Not even who has become another user, with which the kernel forgets that it should kill it."""
        for words in ([], ['setpriv', '--reuid=65534', '--clear-groups'])[:2 if os.getuid() == 0 else 1]:
            script = f'import os, processes; print(processes.Process({[*words, "sleep", "60"]}).pid, flush=True); os.kill(os.getpid(), 9)'
            ended = subprocess.run([sys.executable, '-c', script], cwd=os.path.dirname(processes.__file__), stdout=subprocess.PIPE,
                                   check=False)
            self.assertEqual(ended.returncode, -signal.SIGKILL)
            try:
                processes.eventually(lambda pid=int(ended.stdout): not is_running(pid), 10, f'the end of {words}')
            finally:
                if is_running(int(ended.stdout)):
                    os.kill(int(ended.stdout), signal.SIGKILL)

    def test_sanitizer_reports(self):
        for line, found in [('==1==ERROR: AddressSanitizer: heap-use-after-free', True), ('a.cpp:1:2: runtime error: shift', True),
                            ('WARNING: ThreadSanitizer: data race (pid=1)', True), ('==1==ERROR: LeakSanitizer: leaks', True),
                            ('connection refused: certificate expired', False)]:
            process = self.process(f'echo "{line}" >&2')
            process.wait()
            self.assertEqual(process.sanitizer_report() is not None, found, line)


class DaemonTest(unittest.TestCase):
    """SystemTest with the stand-in."""

    def run_class(self, environment=None, body=lambda test: None, **attributes):
        """The result of a class of one test, and what it printed."""
        case = type('Case', (harness.SystemTest,), {'environment': environment, 'test_it': lambda test: body(test), **attributes})
        case.__module__ = __name__
        printed = io.StringIO()
        with tempfile.TemporaryDirectory() as build, contextlib.redirect_stdout(printed):
            program = os.path.join(build, 'kernel/main/httpsysd')
            os.makedirs(os.path.dirname(program))
            with open(program, 'w', encoding='ascii') as file:
                file.write(STAND_IN)
            os.chmod(program, 0o755)
            mine = certificates.load()
            with mock.patch.dict(os.environ, {'HTTPSYS_BUILD': build}), mock.patch.object(certificates, 'load', lambda: mine):
                result = unittest.TestResult()
                unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
        return result, printed.getvalue()

    def problems(self, result):
        return ''.join(text for _test, text in result.failures + result.errors)

    def test_good(self):
        def body(test):
            with open(os.path.join(test.folder, 'httpsys.toml'), encoding='ascii') as file:
                test.assertEqual(file.read(), '[limits]\nMaxHeaderCount = 10\n')
            test.daemon.expect_log("'--cores', '2', '--config'")
        with mock.patch.dict(os.environ, {'HTTPSYS_CORES': '2'}):
            result, printed = self.run_class(body=body, config={'limits': {'MaxHeaderCount': 10}})
        self.assertTrue(result.wasSuccessful(), self.problems(result))
        self.assertEqual((result.testsRun, printed), (1, ''))

    def test_restart(self):
        def body(test):
            for end in (test.daemon.kill, test.daemon.stop):
                before = test.daemon.process.pid
                end()
                test.daemon.start()
                test.assertNotEqual(test.daemon.process.pid, before)
        self.assertTrue(self.run_class(body=body)[0].wasSuccessful())

    def test_what_has_to_fail(self):
        for environment, words in [({'STATUS': '3'}, 'ended with 3'), ({'FAIL': '1'}, 'httpsysd has ended'),
                                   ({'LINE': 'ERROR: AddressSanitizer: x'}, 'AddressSanitizer')]:
            result, _printed = self.run_class(environment)
            self.assertFalse(result.wasSuccessful())
            self.assertIn(words, self.problems(result))
        self.assertTrue(self.run_class({'STATUS': '3'}, exit_status=3)[0].wasSuccessful())

    def test_a_daemon_that_has_ended(self):
        """The next test has one; that it has ended is said unless the test has failed anyway."""
        pids = []

        def body(test):
            pids.append(test.daemon.process.pid)
            test.daemon.kill()
            if len(pids) == 2:
                test.fail('no')
        result, printed = self.run_class(body=body, test_other=lambda test: body(test))
        self.assertEqual((len(result.errors), len(result.failures), len(set(pids))), (1, 1, 2))
        self.assertIn('httpsysd has ended with -9 during', self.problems(result))
        self.assertIn('httpsysd (ended with -9) during', printed)

    def test_the_log_of_a_failed_test_is_shown(self):
        result, printed = self.run_class({'LINE': 'something happened'}, body=lambda test: test.fail('no'))
        self.assertEqual(len(result.failures), 1)
        self.assertIn('httpsysd (running)', printed)

    def test_applications_end_with_the_test(self):
        running = []

        def body(test):
            with open(os.path.join(harness.build_folder(), 'app'), 'w', encoding='ascii') as file:
                file.write('#!/bin/sh\necho "at $HTTPSYS_SOCKET"; echo "a.c:1:1: runtime error: x" >&2; sleep 100\n')
            os.chmod(file.name, 0o755)
            running.append(test.application('app'))
            running[0].expect(f'^at {test.daemon.socket}$')
            running[0].expect('runtime', stream='stderr')
        result, _printed = self.run_class(body=body)
        self.assertFalse(running[0].is_running())
        self.assertIn('runtime error', self.problems(result))


class PortTest(unittest.TestCase):
    def test_free_ports(self):
        ports = {harness.free_port() for _ in range(50)}
        self.assertEqual(len(ports), 50)
        for port in ports:
            with socket.create_server(('127.0.0.1', port)):
                pass

    def test_taken_ports_are_passed_over(self):
        with socket.create_server(('::1', 0), family=socket.AF_INET6) as taken, mock.patch('random.randrange') as choice:
            free = harness.free_port
            choice.side_effect = [taken.getsockname()[1], 31999, 31998]
            self.assertIn(free(), (31999, 31998))

    def test_toml(self):
        self.assertEqual(harness.toml({'timeouts': {'HeaderWait': 0.5}, 'compat': {'AcceptBareLF': True}}),
                         '[timeouts]\nHeaderWait = 0.5\n\n[compat]\nAcceptBareLF = true\n')


if __name__ == '__main__':
    harness.main()
