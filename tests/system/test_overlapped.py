#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlapped calls at the edges: as many as the credit allows, an event loop, and who wakes whom inside a process (overlapped.cpp)."""

import harness


class Overlapped(harness.SystemTest):
    REQUEST = b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

    def start(self, what, *arguments):
        """(port, the program, which listens there)."""
        port = harness.free_port()
        program = self.application('tests/system/overlapped', what, f'http://localhost:{port}/', *arguments)
        program.expect('^ready')
        return port, program

    def ends_well(self, program):
        self.assertEqual(program.wait(60), 0, program.describe())
        program.expect('^done')

    def test_parked(self):
        count = 300
        port, program = self.start('parked', count)
        connections = [self.connect(port, plain=True) for _ in range(count)]
        for connection in connections:
            connection.send(self.REQUEST)
        program.expect('^full at', 60)
        program.expect('^answered', 60)
        for connection in connections:
            self.assertEqual(connection.response().status, 200)
        self.ends_well(program)

    def test_event_loop(self):
        port, program = self.start('loop', 300)
        connections = [self.connect(port, plain=True) for _ in range(10)]
        for _ in range(30):
            for connection in connections:
                connection.send(self.REQUEST)
            for connection in connections:
                self.assertEqual(connection.response().status, 200)
        self.ends_well(program)

    def test_wake(self):
        self.ends_well(self.application('tests/system/overlapped', 'wake'))

    def test_leader_times_out(self):
        port, program = self.start('leader')
        program.expect('^left')
        connections = [self.connect(port, plain=True) for _ in range(2)]
        for connection in connections:
            connection.send(self.REQUEST)
        for connection in connections:
            self.assertEqual(connection.response().status, 200)
        self.ends_well(program)


if __name__ == '__main__':
    harness.main()
