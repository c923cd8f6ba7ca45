#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that one application opens to all addresses and leaves again are the others' as if nothing had happened."""

import time

import harness
from load import Client, LoadTest

FEW = 30   # on a machine that does little at a time; where connections were lost, nearly all were


class Fresh(Client):
    """A new connection for each request."""

    def ask(self, connection):
        outcome = super().ask(connection)
        time.sleep(0.0005)   # a port of this machine stays in use for a minute after each
        if outcome != 'answered':
            return outcome
        self.counts['answered'] += 1
        return 'next'


class Ports(LoadTest):
    def test_a_port_that_opens_and_narrows(self):
        """Whose connection arrives at any moment of it is answered."""
        port, _server = self.start_http('event')
        flipper = self.application('tests/system/url_flipper', f'http://+:{port}/flipped/')
        flipper.expect('^ready$')
        stop, clients = self.start_clients(port, 3, kind=Fresh)
        stop.wait(2)
        stop.set()
        for client in clients:
            client.join()
        flipper.close_stdin()
        flips = int(flipper.expect(r'^(\d+) times$').group(1))
        counts = self.sum_of(clients)
        print(f'{flips} times; {dict(counts)}', flush=True)
        self.assertEqual(([client.wrong for client in clients], counts['ended']), ([[], [], []], 0))
        self.assertGreater(counts['answered'], FEW)
        self.assertGreater(flips, FEW)


if __name__ == '__main__':
    harness.main()
