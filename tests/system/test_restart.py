#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon is killed while calls of every kind are pending (restart.cpp): all fail within a second, old handles stay dead, and the same
process reaches the next daemon."""

import harness
from processes import Within


class Restart(harness.SystemTest):
    exit_status = None

    def test_calls_of_every_kind(self):
        for mode in ('event', 'port'):
            with self.subTest(mode=mode):
                port = harness.free_port()
                self.import_server(f'127.0.0.1:{port}')
                program = self.application('tests/system/restart', mode, f'https://localhost:{port}/')
                program.expect('^serving')
                head = 'HTTP/1.1\r\nHost: localhost\r\n'
                body, silent = [self.connect(port, version='1.3', post_handshake=True) for _ in range(2)]
                body.send(f'POST / {head}Content-Length: 5\r\n\r\n')
                program.expect('^received')
                silent.send(f'GET / {head}\r\n')
                program.expect('^parked')
                with Within(1, 'the end of pending calls'):
                    self.daemon.kill()
                    program.expect('^ended')
                self.daemon.start()
                program.send('go\n')
                program.expect('^serving')
                with self.connect(port) as connection:
                    self.assertEqual(connection.get('/').status, 200)
                self.assertEqual(program.wait(10), 0, program.describe())


if __name__ == '__main__':
    harness.main()
