#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ring ABI is complete: a server in C that knows nothing but uapi/ answers curl over TLS, beside the daemon's own answers."""

import harness


class RingAnswer(harness.SystemTest):
    def test_curl_over_tls(self):
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}')
        server = self.application('tests/abi/ring_answer', self.daemon.socket, f'https://localhost:{port}/x/', 4)
        server.expect('^ready$')
        for version in ('1.2', '1.3'):
            for path, status, body in (('y', 404, None), ('x/a', 200, b'answered in C\n'), ('x', 200, b'answered in C\n')):
                with self.subTest(version=version, path=path):
                    process = self.curl(f'https://localhost:{port}/{path}', '--resolve', f'localhost:{port}:127.0.0.1', version=version)
                    self.assertEqual(process.status, 0, process.stderr.text())
                    self.assertEqual(process.response.status, status)
                    if body:
                        self.assertEqual(process.response.body, body)
                        server.expect(f'^request /{path} context 7$')
        self.assertEqual(server.wait(), 0)


if __name__ == '__main__':
    harness.main()
