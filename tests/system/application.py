# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the API share: the application api_server and how to ask it."""

import json

import harness

MODES = ('blocking', 'event', 'port')


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

    def ask(self, connection, path):
        """GET on a Connection; the JSON answer."""
        response = connection.get(path)
        self.assertEqual(response.status, 200, response.body)
        return json.loads(response.body)

    def certificate(self, connection, query=''):
        """The calls of HttpReceiveClientCertificate that /certificate made."""
        return self.ask(connection, '/certificate' + query)['calls']
