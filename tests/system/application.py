# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the API share: the application api_server and how to ask it."""

import json
import tempfile

import harness
from processes import eventually

MODES = ('blocking', 'event', 'port')


def answers_of(text):
    """JSON after JSON."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


class ApiTest(harness.SystemTest):
    def start(self, mode, *prefixes, threads=4, queue='-', role='create', environment=None):
        """Starts api_server and waits until it serves."""
        application = self.application('tests/system/api_server', mode, threads, queue, role, *prefixes, environment=environment)
        application.expect('^ready$')
        return application

    def start_https(self, mode, *words, **options):
        """(port, application): https on 127.0.0.1. words: for the sslcert record."""
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}', *words)
        return port, self.start(mode, f'https://localhost:{port}/', **options)

    def start_http(self, mode, **options):
        port = harness.free_port()
        return port, self.start(mode, f'http://localhost:{port}/', **options)

    def mark(self):
        """A path for until= of /hold and /certificate, where no file is before release(path)."""
        return tempfile.mktemp(dir=self.folder)

    @staticmethod
    def release(mark):
        with open(mark, 'x', encoding='ascii'):
            pass

    def until_calls(self, calls, delivered=1):
        """Until so many calls of all applications are pending, and so many requests with them."""
        def are_there():
            now = self.daemon.statistics()
            return (now['irps_pending'], now['requests_delivered']) == (calls, delivered)
        eventually(are_there, 10, f'{calls} pending calls and {delivered} requests with the applications')

    def ask(self, connection, path):
        """GET on a Connection; the JSON answer."""
        response = connection.get(path)
        self.assertEqual(response.status, 200, response.body)
        return json.loads(response.body)

    def certificate(self, connection, query=''):
        """The calls of HttpReceiveClientCertificate that /certificate made."""
        return self.ask(connection, '/certificate' + query)['calls']


class PeerTest(ApiTest):
    def setUp(self):
        self.import_authority()
        self.good = self.certificates.clients['good']

    @classmethod
    def get(cls, process, path):
        """A request through a peer that passes on bytes; its JSON."""
        process.send(f'GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n')
        return cls.answer(process)

    @staticmethod
    def answer(process):
        """The JSON of a request that has been sent."""
        head = process.expect(rb'HTTP/1\.1 200 [\s\S]*?Content-Length: (\d+)(?:\r\n[^\r]+)*\r\n\r\n')
        return json.loads(process.expect(rb'[\s\S]{%d}' % int(head.group(1))).group())

    def talk(self, peer, port, paths, **options):
        """The answers to requests on one connection of the peer."""
        if peer == 'curl':
            *others, last = [f'https://localhost:{port}{path}' for path in paths]
            process = self.curl(last, *others, '--no-include', '--resolve', f'localhost:{port}:127.0.0.1', '-w',
                                '%{stderr}connects %{num_connects}\n', **options)
            self.assertEqual(process.status, 0, process.describe())
            self.assertEqual(process.stderr.text().split(), 'connects 1'.split() + 'connects 0'.split() * len(others))
            return answers_of(process.stdout.text())
        options['post_handshake'] = True
        if peer == 'python':
            with self.connect(port, **options) as connection:
                return [self.ask(connection, path) for path in paths]
        process = getattr(self, peer)(port, **options)
        answers = [self.get(process, path) for path in paths]
        process.kill()
        return answers
