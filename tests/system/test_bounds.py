#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""[clients] of the configuration as applications meet it: the last thing that fits, the next one that does not, with its code and sentence,
and that those who were there before notice nothing. Each resource at its edge: unit-ns, unit-session, unit-io."""

import socket
import struct

import application
import harness
from processes import eventually

HELLO, WELCOME = 1, 2
MIB = 1 << 20


class Bounds(application.ApiTest):
    """Two URLs, two sessions and two channels of libhttpapi's size."""
    config = {'clients': {'UrlsPerProcess': 2, 'SessionsPerProcess': 2, 'ChannelBytesPerUser': 14 * MIB}}

    def urls(self, count):
        self.port = harness.free_port()
        return [f'http://localhost:{self.port}/{number}/' for number in range(count)]

    def refused(self, call, code, sentence, *urls):
        process = self.application('tests/system/api_server', 'event', 1, '-', 'create', *urls)
        self.assertNotEqual(process.wait(), 0)
        text = process.stderr.text()
        self.assertRegex(text, f'failed with {code}: {call}: .*{sentence}')

    def test_urls(self):
        self.start('event', *self.urls(2))
        port = self.port
        self.refused('HttpAddUrlToUrlGroup', 1450, r'this process has 2 registered URLs, and may have 2 \(UrlsPerProcess in httpsys.toml\)',
                     *self.urls(3))
        self.assertEqual(self.connect(port, plain=True).get('/1/plain').status, 200)

    def hello(self):
        """A session of this process: the type of the daemon's answer, None when it closes."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(connection.close)
        connection.connect(self.daemon.socket)
        try:
            connection.send(struct.pack('<IHHIIII', harness.CONTROL_MAGIC, HELLO, 0, 88, 1, 0, 0) + struct.pack('<IIII', 1, 0, 0, 0)
                            + bytes(48))
            answer = connection.recv(1024)
        except (BrokenPipeError, ConnectionResetError):
            answer = b''
        return struct.unpack_from('<IH', answer)[1] if answer else None

    def test_sessions(self):
        self.assertEqual([self.hello(), self.hello()], [WELCOME, WELCOME])
        self.assertIsNone(self.hello())
        self.daemon.expect_log(r'is turned away: this process has 2 sessions, and may have 2 \(SessionsPerProcess in httpsys.toml\)')
        self.start('event', *self.urls(1))   # another process

    def test_channels(self):
        first, second = self.start('event', *self.urls(1)), self.start('event', *self.urls(1))
        port = self.port
        self.refused('HttpInitialize', 8, 'this user or process has as much of it as', *self.urls(1))
        self.daemon.expect_log(r'gets no channel: uid \d+ has \d+ bytes of channels, \d+ more are wanted, and may have 14680064 '
                               r'\(ChannelBytesPerUser in httpsys.toml\)')
        self.assertEqual(self.connect(port, plain=True).get('/0/plain').status, 200)
        first.kill()
        eventually(lambda: self.daemon.statistics()['sessions'] == 2, 10, 'the end of the first session')   # the second's and ours
        self.start('event', *self.urls(1))
        self.assertTrue(second.is_running())


if __name__ == '__main__':
    harness.main()
