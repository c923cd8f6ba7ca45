#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks from the network (tools/bench/flood_attacker.c), each for a moment: the daemon's memory and connections stay bounded, STATS
counts what came, the log names the attackers and is bounded too, an honest client is served meanwhile, and afterwards everything is as
before. tools/bench/flood measures the same attacks at full size, beside nginx."""

import json
import os
import re
import subprocess
import threading
import time
from typing import Callable, NamedTuple

import harness
from harness import Failure
from processes import WAIT, Sleeper, Within, eventually

SANITIZED = os.environ.get('HTTPSYS_SANITIZE', 'none') != 'none'
SLOWER = 3 if SANITIZED else 1   # what the daemon's times and those of attacks that wait for them are multiplied by
MIB = 1 << 20
EACH_IDLE = 48 << 10      # bytes of a connection that says little: TLS' state, and the buffers up to kIdleBufferBytes
EACH_UNREAD = 640 << 10   # of one whose client reads nothing: kOutputBacklogBytes, kTlsOutputBytes, and what a piece is over them
OTHERS = 12 * MIB         # whatever else: the heap of a daemon that has just started grows
LOG_BURST, LOG_A_SECOND = 100, 10   # kernel/limits.h, for each kind of line


class Attack(NamedTuple):
    name: str
    line: str             # of the log, about one of the attackers; '': there need be none
    counted: tuple        # "show statistics": under one of these
    least: Callable[[dict], float] = lambda tried: 1   # so often, by what the attacker says; and under the first of them at least once
    connections: int = 0  # at a time; 0: one for each of four threads, and some that are being closed
    each: int = EACH_IDLE
    port: str = 'tls'
    seconds: float = 0.5
    is_ended: bool = False   # the daemon closes connections of it meanwhile
    is_timed: bool = False   # when a time of the configuration is over


def closed(tried):
    """All that the attacker saw closed."""
    return tried['closed']


def part_secured(tried):
    """Of connections that the attacker leaves in the end some have been cut off in another state, or before the daemon looked."""
    return max(1, tried['secured'] // 4)


# The log names no attacker where one connection is nothing that a client may not do, and a line for each would hide what is:
# - slow-read and pipeline leave before kSendMilliseconds are over, which would be said; a client that leaves its response is a closed tab.
# - idle and idle-tls: browsers open connections in advance.
# - handshakes and handshake-burst leave in the middle, as clients do whose user goes on or who prefer another of two connections.
# - key-update and key-update-unread: RFC 8446 4.6.3 lets a client ask, and there is no number of times.
# - tickets: one that is not taken costs a whole handshake (RFC 5077 3.2), and so it does each client that comes back after a long time.
# They are counted all the same, and told in the line of a minute.
# Who is slow in one thing may, on a slow machine, have been so in an earlier one.
LATE = ('Handshake too long', 'Idle without a request')
ATTACKS = [
    Attack('slow-head', 'closed, the time for the request head is over', ('Timer_HeaderWait', *LATE), closed, 60, seconds=0.8,
           is_ended=True, is_timed=True),
    Attack('slow-body', 'closed, the time for the request body is over', ('Timer_EntityBody', 'Timer_HeaderWait', *LATE), closed, 40,
           seconds=0.8, is_ended=True, is_timed=True),
    Attack('slow-read', '', ('Left in a request',), part_secured, 30, EACH_UNREAD),
    Attack('pipeline', '', ('Left in a request',), part_secured, 10, EACH_UNREAD),
    Attack('idle', '', ('Idle without a request',), closed, 400, port='plain', seconds=0.8, is_ended=True, is_timed=True),
    Attack('idle-tls', '', ('Idle without a request', 'Handshake too long'), closed, 60, seconds=0.8, is_ended=True, is_timed=True),
    Attack('half-open', 'closed, the time for the TLS handshake is over', ('Handshake too long',), closed, 300, seconds=1.7,
           is_ended=True, is_timed=True),
    Attack('handshakes', '', ('Handshake failed',), lambda tried: tried['messages']),
    Attack('handshake-burst', '', ('Handshake failed',), lambda tried: tried['messages'], 200),
    Attack('renegotiation', 'began a renegotiation', ('Renegotiation refused',), closed, is_ended=True),
    Attack('key-update', '', ('New keys',), lambda tried: min(4, tried['messages'])),
    Attack('key-update-unread', '', ('New keys',), lambda tried: min(4, tried['messages'])),
    Attack('certificates', 'TLS failed|certificate', ('Certificate not verified', 'Handshake failed', 'TLS failed'),
           lambda tried: tried['failed'] + 1, port='asks'),
    # Each of the four threads leaves its last connection when the time is over, perhaps before the daemon has looked at what it sent.
    Attack('tickets', '', ('Session ticket not taken', 'Handshake failed'), lambda tried: max(1, tried['messages'] - 4)),
    Attack('headers', ': (400|414|431) ', ('Request refused',), lambda tried: max(1, tried['refused']), is_ended=True),
    Attack('chunk-extensions', r'extensions of a (chunk|body) are longer than \d+ bytes \(kMaxChunkExtension', ('Request refused',),
           lambda tried: max(1, tried['refused']), is_ended=True),
]


# What the log's line of a minute says of what an attack is counted under, so that who reads nothing but the log learns of each of them.
TOLD = {
    'Handshake too long': 'took too long for the TLS handshake',
    'Idle without a request': r'connections were idle without a request \(Timer_ConnectionIdle\)',
    'Timer_HeaderWait': r'took too long for a request head \(Timer_HeaderWait\)',
    'Timer_EntityBody': r'took too long for a request body \(Timer_EntityBody\)',
    'Left in a request': 'clients left in the middle of a request or its response',
    'Handshake failed': 'TLS handshakes failed or were broken off',
    'Renegotiation refused': 'renegotiations were begun by clients and refused',
    'New keys': 'times clients asked for new keys',
    'Certificate not verified': 'client certificates did not verify',
    'TLS failed': 'TLS connections failed after the handshake',
    'Session ticket not taken': 'session tickets were not taken',
    'Session ticket bad': 'session tickets were forged or of another binding',
    'Request refused': 'requests were refused',
}


class Flood(harness.SystemTest):
    # A slow body gets a byte a second.
    config = {'timeouts': {'Handshake': 1.2 * SLOWER, 'IdleConnection': 0.5 * SLOWER, 'HeaderWait': 0.5 * SLOWER, 'EntityBody': 0.5,
                           'DrainEntityBody': 0.5}}

    last = None   # of "show statistics"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ports = {name: harness.free_port() for name in ('plain', 'tls', 'asks')}
        cls.lists = cls.make_lists()

    @classmethod
    def make_lists(cls):
        """Certificate bombs: as long as a list may be, longer, and with more certificates than a list may have."""
        paths = []
        clients = cls.certificates.clients
        for name, times in (('large', 0), ('huge', 0), ('good', 30)):
            paths.append(os.path.join(cls.folder, f'{name}.pem'))
            with open(paths[-1], 'w', encoding='ascii') as file:
                for part in (clients[name].certificate, *[cls.certificates.ca] * times, clients[name].key):
                    with open(part, encoding='ascii') as source:
                        file.write(source.read())
        return paths

    def setUp(self):
        self.import_server(f'127.0.0.1:{self.ports["tls"]}')
        self.import_server(f'127.0.0.1:{self.ports["asks"]}', 'clientcertnegotiation=enable')
        application = self.application('tools/bench/bench-app', '--port', self.ports['plain'], '--tls-port', self.ports['tls'],
                                       '--tls-port', self.ports['asks'])
        eventually(lambda: self.visit('honest', 0.05)['good'] or not application.is_running(), 10, 'bench-app')

    @classmethod
    def tearDownClass(cls):
        """What was counted of each attack has been told, in a line a minute and one at the end, to the last one: what is usual is told only
        beside what is not, but no minute of this test is without such a thing."""
        super().tearDownClass()
        if not cls.last:
            return
        lines = re.findall('counted in the last minute: .*', cls.daemon.log())
        for label, phrase in TOLD.items():
            told = sum(map(int, re.findall(rf'\b(\d+) {phrase}', '\n'.join(lines))))
            if told != cls.last[label]:
                raise Failure(f'{told} are told for {cls.last[label]} of "{label}": {lines}')

    def start_attacker(self, *words):
        return subprocess.Popen([os.path.join(harness.build_folder(), 'tools/bench/flood-attacker'), *map(str, words)],
                                stdout=subprocess.PIPE, text=True)

    @staticmethod
    def result(process):
        output, _nothing = process.communicate(timeout=60 * WAIT)
        if process.returncode != 0:
            raise Failure(f'flood-attacker ended with {process.returncode}')
        return json.loads(output)

    def visit(self, name, seconds, port='tls'):
        return self.result(self.start_attacker(name, self.ports[port], seconds))

    def attack(self, attack, times):
        """What attacker and honest client say, and the largest STATS meanwhile. times: longer than usual."""
        words = [word for path in self.lists for word in ('--list', path)] if attack.name == 'certificates' else []
        if attack.connections:
            words += ['--connections', attack.connections]
        seconds = attack.seconds * (SLOWER if attack.is_timed else 1) * times
        sleeper = self.peer(Sleeper())
        honest = self.start_attacker('honest', self.ports['tls'], seconds)
        attacker = self.start_attacker(attack.name, self.ports[attack.port], seconds, *words)
        ended, peak = threading.Event(), {'connections': 0, 'resident_bytes': 0}

        def watch():
            while not ended.wait(0.05):
                now = self.daemon.statistics()
                for key in peak:
                    peak[key] = max(peak[key], now[key])
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            results = self.result(attacker), self.result(honest) | {'late': sleeper.late()}, peak
            sleeper.kill()
            return results
        finally:
            ended.set()
            watcher.join()

    def check(self, attack):
        before, counted, logged, begin = self.daemon.statistics(), self.counted(), len(self.daemon.log()), time.monotonic()
        for times in range(1, 6):   # until attacker and honest client have had their turn, which others' load may take from them
            tried, honest, peak = self.attack(attack, times)
            self.check_served(honest)
            if tried['attempts'] >= 4 and honest['good'] >= 3 and (tried['closed'] or not attack.is_ended):
                break
        self.assertGreaterEqual(honest['good'], 3)
        self.slowest = max(self.slowest, honest['max'])
        # All who came are counted, those too that left before they were accepted, and nothing is left of them: connections, requests,
        # descriptors.
        self.assertGreaterEqual(tried['attempts'], 4)
        came = before['connections_total'] + tried.get('connected', 0) + honest['good']
        eventually(lambda: self.daemon.statistics()['connections_total'] >= came, 10, f'{came} connections')
        eventually(lambda: self.is_over(before), 10,
                   lambda: f'the state before {attack.name}: {before}, but {self.daemon.statistics()}')
        self.check_counted(attack, tried, counted)
        # Bounded.
        self.assertLessEqual(peak['connections'], before['connections'] + (attack.connections or 16) * 2 + 4 + (
            tried['attempts'] if attack.name == 'handshakes' else 0))
        if not SANITIZED:
            self.assertLessEqual(peak['resident_bytes'] - before['resident_bytes'], attack.connections * attack.each + OTHERS)
        # Ended, and no forged ticket was taken.
        if attack.is_ended:
            self.assertGreater(tried['closed'], 0)
        self.assertEqual(tried.get('resumed', 0), 0)
        # Logged, and that is bounded.
        lines = self.lines(logged)
        if attack.line:
            self.assertTrue(any(re.search(attack.line, line) for line in lines), lines[:5])
        if attack.line and tried['closed'] > 2 * LOG_BURST + LOG_A_SECOND * (time.monotonic() - begin):
            self.daemon.expect_log(r'and \d+ more like it were not written')
        self.assertLessEqual(len(lines), 3 * (LOG_BURST + LOG_A_SECOND * (time.monotonic() - begin + 1)))
        self.assertLessEqual(max(map(len, lines), default=0), 2000)

    def check_served(self, honest):
        """Each of its visits, which are a whole handshake and a page, and within a second, which is ten times what it takes on a busy
        machine, and what the machine adds to the handful of times that processes have to be woken for it. A visit that is not answered
        is the machine's fault where this may have held the client up until one of the daemon's times was over, and nobody's else."""
        shortest, added = 0.5 * SLOWER, Within.LATE * honest['late']
        self.assertTrue(honest['bad'] == 0 or (honest['bad_shortest'] >= shortest and added >= shortest), honest)
        self.assertLess(honest['max'], 1 * SLOWER + added, honest)

    def counted(self):
        """"show statistics", by label, in its order."""
        rows = re.findall(r'^    (\S.*?) +: (\d+)$', self.ctl('show', 'statistics'), re.M)
        return {label: int(number) for label, number in rows}

    def check_counted(self, attack, tried, before):
        new, ended = {}, ()

        def is_counted():
            nonlocal ended
            stats, now = self.daemon.statistics(), self.counted()
            new.update((label, number - before[label]) for label, number in now.items())
            labels = list(now)
            # Each connection has ended once; not in the same moment for both numbers.
            ended = sum(now[label] for label in labels[:labels.index('Ended with httpsysd') + 1]), stats['connections_total'] - stats[
                'connections']
            return new[attack.counted[0]] >= 1 and sum(new[label] for label in attack.counted) >= attack.least(tried) and (
                ended[0] == ended[1])
        eventually(is_counted, 5, lambda: f'{attack.name} to be counted: {new}, {tried}, {ended} ends')
        print(f'{attack.name}: {[f"{label} {number}" for label, number in new.items() if number]}, {tried}', flush=True)

    def lines(self, position):
        """About the attackers."""
        return re.findall(r'^.*\b127\.1\.\d+\.\d+\b.*$', self.daemon.log()[position:], re.M)

    def is_over(self, before):
        left = self.left_of(before)
        if left == ['blocks_lent']:   # the daemon looks at what a worker hands back when that has something for it, too
            self.visit('honest', 0.05)
        return left == []

    def left_of(self, before):
        now = self.daemon.statistics()
        return [key for key in ('connections', 'requests_delivered', 'requests_queued', 'descriptors', 'blocks_lent')
                if now[key] > before[key]]

    def test_attacks(self):
        self.slowest = 0
        self.assertEqual({label for attack in ATTACKS for label in attack.counted} - set(TOLD), set())
        for attack in ATTACKS:
            with self.subTest(attack.name):
                self.check(attack)
        type(self).last = self.counted()
        print(f'{len(ATTACKS)} attacks, the honest client was served within {self.slowest:.3f} s each time', flush=True)


if __name__ == '__main__':
    harness.main()
