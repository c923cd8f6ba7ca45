#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of workers under load, at any moment: a request that a killed worker had not received is answered by another one, one that it had
received (its channel tells, witness.py) ends its connection and no other, nobody else notices, and nothing of the dead stays in the
daemon. HTTPSYS_CRASH_SECONDS makes it longer than eight seconds for each kind of worker. SIGSTOP of clients, for HTTPSYS_STOP_SECONDS
instead of four: others do not notice. HTTPSYS_RESTARTS kills the daemon more than five times below workers that reconnect."""

import collections
import json
import os
import random
import resource
import signal
import string
import subprocess
import time

import harness
from application import MODES
from load import THREADS, LoadTest, Timed, Waker
from processes import PATIENCE, WAIT, Sleeper, Within, cpu_nanoseconds, eventually
from witness import Witness

# As it ships a minute for both numbers of cores, with test_received.py's.
SECONDS = float(os.environ.get('HTTPSYS_CRASH_SECONDS', 8 if PATIENCE == 1 else 3))
STOP_SECONDS = float(os.environ.get('HTTPSYS_STOP_SECONDS', 4 if PATIENCE == 1 else 2))
RESTARTS = int(os.environ.get('HTTPSYS_RESTARTS', '5'))
WORKERS = 3
CLIENTS = 8
QUEUE_LENGTH = 1000   # kernel/limits.h
PARKED = 64           # receives of a worker that is stopped: a request's image and 64 KiB of body each are more than its arena has
BODY_BYTES = 80000    # more than come with the request


class Killer:
    """Workers of a queue that are started and killed at random moments, before and after they serve."""

    def __init__(self, socket_path, queue, mode, seed, start_seconds):
        self.words = [os.path.join(harness.build_folder(), 'tests/system/api_server'), mode, str(THREADS), queue, 'open']
        self.environment = {**os.environ, 'HTTPSYS_SOCKET': socket_path}
        self.random = random.Random(seed)
        self.slower = min(4, max(1, start_seconds / 0.05))   # where a worker takes long to come to serve it lives longer
        self.kills = 0
        self.accounts = {}   # by pid what each had received

    def start(self):
        witness = Witness()
        process = subprocess.Popen(self.words, env={**self.environment, **witness.environment}, pass_fds=witness.pass_fds,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        witness.seal()
        return process, witness

    def run(self, seconds):
        until = time.monotonic() + seconds
        workers = []   # (when it dies, process and witness)
        while time.monotonic() < until:
            while len(workers) < WORKERS:
                lifetime = self.random.choice([0.02, 0.1, 0.4]) * self.random.random() * self.slower
                workers.append((time.monotonic() + lifetime, self.start()))
            workers.sort(key=lambda worker: worker[0])
            due, worker = workers.pop(0)
            time.sleep(max(0, due - time.monotonic()))
            self.kill(*worker)
        for _, worker in workers:
            self.kill(*worker)

    def kill(self, process, witness):
        process.kill()
        process.wait()
        self.kills += 1
        self.accounts[process.pid] = witness.account()


class Crash(LoadTest):
    def test_workers_killed_under_load(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                applications = []
                try:
                    self.check_kills(mode, applications)
                finally:
                    for application in applications:
                        application.kill()

    def check_kills(self, mode, applications):
        port, other_port = harness.free_port(), harness.free_port()
        name = f'queue-{port}'
        begin = time.monotonic()
        applications += [self.start(mode, f'http://localhost:{port}/', queue=name, threads=THREADS),
                         self.start(mode, f'http://localhost:{other_port}/', threads=THREADS)]
        start_seconds = (time.monotonic() - begin) / 2
        before = self.settled(2 * THREADS)
        seed = random.randrange(1 << 32)
        stop, clients = self.start_clients(port, CLIENTS)
        stop_others, others = self.start_clients(other_port, 1)
        killer = Killer(self.daemon.socket, name, mode, seed, start_seconds)
        killer.run(SECONDS)
        stop.set()
        stop_others.set()
        for client in clients + others:
            client.join()
        counts, other_counts = self.sum_of(clients), self.sum_of(others)
        print(f'{mode}: seed {seed}, {killer.kills} kills, {counts["answered"]} requests answered, {counts["ended"]} connections ended; '
              f'the other application: {other_counts["answered"]} answered, {other_counts["ended"]} ended', flush=True)
        self.assertEqual([text for client in clients + others for text in client.wrong], [])
        self.assertGreater(killer.kills, SECONDS / PATIENCE / 2)
        self.assertGreater(counts['answered'], 100)
        self.check_accounts(killer, clients, counts['ended'])
        self.assertEqual(other_counts['ended'], 0)
        self.check_leftovers(before)

    def check_accounts(self, killer, clients, ended):
        """Each has taken with it what its library had received and it had not answered, neither more nor less."""
        answers = collections.Counter()   # by pid
        for client in clients:
            for body, times in client.answers.items():
                answers[json.loads(body)['pid']] += times
        whole = {pid: account for pid, account in killer.accounts.items() if account.is_whole}
        self.assertGreater(len(whole), 0.9 * killer.kills)
        lost = [len(account.received) - answers[pid] for pid, account in whole.items()]
        self.assertLessEqual(max(lost), THREADS)
        self.assertGreaterEqual(min(lost), 0)
        # Of one whose ring has come round nobody knows more than what it can have had; on most machines there is none.
        longer = THREADS * (len(killer.accounts) - len(whole))
        # On a slow machine most of the killed had not come to receive.
        self.assertGreater(sum(len(account.received) for account in whole.values()), killer.kills / 10)
        self.assertIn(ended, range(sum(lost), sum(lost) + longer + 1))
        received = collections.Counter(request for account in whole.values() for request in account.received)
        self.assertEqual([request for request, times in received.items() if times > 1], [], 'received by two')


class Stopped(LoadTest):
    """SIGSTOP of a client that has all that it may have on its way: nobody else notices, it goes on where it was."""

    def other_application(self, seconds):
        """What a client of another application sees meanwhile."""
        self.sleeper = self.peer(Sleeper())
        stop, clients = self.start_clients(self.other_port, 1, kind=Timed)
        self.waker = Waker(stop)
        self.waker.start()
        stop.wait(seconds)
        return stop, clients[0]

    def check_other(self, stop, client, what):
        stop.set()
        client.join()
        self.waker.join()
        in_all, times = self.sleeper.late(), sorted(client.seconds)
        percentile = times[len(times) * 99 // 100]
        # Of one answer: by how much each of those that wait for each other is woken late at most. All that came together in these seconds
        # is so much on a busy machine that nothing would be asked any more.
        late = max(self.sleeper.worst, self.waker.late)
        print(f'{what}: {len(times)} answers of another application, p99 {percentile * 1000:.1f} ms, worst {times[-1] * 1000:.1f} ms; who '
              f'only slept was woken {in_all * 1000:.1f} ms late in all, once {self.sleeper.worst * 1000:.1f} ms, and '
              f'{self.waker.late * 1000:.1f} ms in the client\'s own process', flush=True)
        self.assertEqual((client.wrong, client.counts['ended']), ([], 0))
        self.assertGreater(len(times), 5 * STOP_SECONDS / PATIENCE)
        self.assertLess(percentile, 0.1 * PATIENCE + Within.LATE * late)

    def setUp(self):
        self.other_port = harness.free_port()
        self.start('event', f'http://localhost:{self.other_port}/', threads=THREADS)
        self.opened = []

    def send(self, port, path, body=b'', verb='GET'):
        connection = self.connect(port, plain=True, limit=60)
        connection.send(f'{verb} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n'.encode() + body)
        return connection

    def until_there_are(self, other, **numbers):
        """Statistics with these numbers. They count everybody's requests, so the other application has none meanwhile."""
        now = {}

        def are_there():
            now.update(self.daemon.statistics())
            return numbers.items() <= now.items()
        with other.pause:
            eventually(are_there, 20, lambda: f'{numbers}, but {({name: now[name] for name in numbers})}')
        return now

    def test_a_stopped_worker(self):
        """More is delivered to it than its arena holds, its queue fills, and only those beyond are refused."""
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 3 * QUEUE_LENGTH:
            self.skipTest(f'this process may have {hard} descriptors')
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        port = harness.free_port()
        # They take as much of the body as their buffers hold (HTTP_RECEIVE_REQUEST_FLAG_FLUSH_BODY), however the client's bytes arrive.
        worker = self.start('port', f'http://localhost:{port}/', threads=PARKED, environment={'RECEIVE_FLAGS': '2'})
        before = self.settled(PARKED + THREADS)
        worker.stop()
        stop, other = self.other_application(0)
        begin = time.monotonic()
        body = bytes(random.choices(string.ascii_letters.encode(), k=BODY_BYTES))
        uploads = [self.send(port, ('/request', '/echo')[number % 2], body, 'POST') for number in range(PARKED)]
        self.until_there_are(other, requests_delivered=PARKED)
        waiting = [self.send(port, f'/request?{number}') for number in range(QUEUE_LENGTH)]
        self.until_there_are(other, requests_delivered=PARKED, requests_queued=QUEUE_LENGTH)
        for _ in range(20):
            with self.send(port, '/plain') as refused:
                self.assertEqual(refused.response().status, 503)
        time.sleep(max(0, STOP_SECONDS - (time.monotonic() - begin)))
        # Nobody was cut off: sessions of both applications and of who asks.
        now = self.until_there_are(other, requests_delivered=PARKED, requests_queued=QUEUE_LENGTH, sessions=3)
        self.assertLess(now['blocks_lent'], PARKED, 'none waits for a block')
        self.check_other(stop, other, 'a stopped worker with a full arena and queue')
        worker.signal(signal.SIGCONT)
        for number, upload in enumerate(uploads):   # what came with the request, or what was read later
            answer = upload.response().body
            piece, has = (answer, body.endswith) if number % 2 else (json.loads(answer)['chunk'].encode(), body.startswith)
            self.assertTrue(piece and has(piece), answer)
        for number, connection in enumerate(waiting):
            self.assertEqual(json.loads(connection.response().body)['raw_url'], f'/request?{number}')
        for connection in uploads + waiting:
            connection.close()
        self.check_leftovers(before)

    def test_a_stopped_flooder(self):
        """It is stopped with a full submission ring and completions that it has not taken: the daemon does not work for it meanwhile."""
        flooder = self.application('tools/fuzz/ring-flood', self.daemon.socket, 'full')
        flooder.expect('^ready$')
        chooser = random.Random()
        for _ in range(10):
            self.until_it_goes_on()
            time.sleep(chooser.uniform(0, 0.02))
            flooder.stop()
            self.until_it_rests()
            before = self.daemon.statistics()
            used, begin = cpu_nanoseconds(self.daemon.process.pid), time.monotonic()
            time.sleep(0.1)
            used, took = cpu_nanoseconds(self.daemon.process.pid) - used, time.monotonic() - begin
            after = self.daemon.statistics()
            self.assertEqual(after['irps_total'], before['irps_total'])
            self.assertLess(used, 15e6 * PATIENCE + 0.05e9 * took)
            flooder.signal(signal.SIGCONT)
        self.until_it_goes_on()
        flooder.stop()
        stop, other = self.other_application(STOP_SECONDS)
        self.check_other(stop, other, 'a stopped flooder')
        flooder.signal(signal.SIGCONT)
        self.until_it_goes_on()

    def until_it_rests(self):
        """The daemon begins nothing any more, though it has had its turns."""
        def rests():
            before = self.daemon.statistics()['irps_total']
            time.sleep(0.05 * PATIENCE)
            return self.daemon.statistics()['irps_total'] == before
        eventually(rests, 10, 'the daemon to begin nothing for a flooder that is stopped')

    def until_it_goes_on(self):
        """Nobody else begins anything meanwhile."""
        before = self.daemon.statistics()['irps_total']
        eventually(lambda: self.daemon.statistics()['irps_total'] > before + 10000, 10, 'the flooder to go on')


class DaemonCrash(LoadTest):
    """kill -9 of the daemon under load, again and again."""
    exit_status = None

    def test_daemon_killed_under_load(self):
        """Every thread of every application gets an error within a second, and a restart has the same ports at once."""
        seed = random.randrange(1 << 32)
        chooser = random.Random(seed)
        ports, slowest, starts, answered = [harness.free_port() for _ in MODES], 0, 0, 0
        for kills in range(1, 6):
            applications = [self.start(mode, f'http://localhost:{port}/', threads=THREADS) for mode, port in zip(MODES, ports)]
            loads = [self.start_clients(port, 2, daemon_dies=True) for port in ports]
            for _, clients in loads:
                eventually(lambda all_of_it=clients: any(client.counts['answered'] for client in all_of_it), 10, 'the first answers')
            time.sleep(chooser.uniform(0.1, 0.4))
            with Within(1, f'seed {seed}: the end of all calls') as within:
                self.daemon.kill()
                for application in applications:
                    application.wait(5)   # each thread ends with its receive
            slowest = max(slowest, within.took)
            for stop, clients in loads:
                stop.set()
                for client in clients:
                    client.join()
                    self.assertEqual(client.wrong, [], f'seed {seed}')
                answered += self.sum_of(clients)['answered']
            for application in applications:
                self.assertEqual(application.popen.returncode, 0, application.describe())
                self.assertEqual(application.stdout.text().count('receive ended '), THREADS, application.describe())
            begin = time.monotonic()
            self.daemon.start()
            starts = max(starts, time.monotonic() - begin)
        print(f'seed {seed}: the daemon killed {kills} times, {answered} requests answered; all calls ended within {slowest:.3f} s, '
              f'ready again within {starts:.3f} s', flush=True)

    def test_workers_come_back(self):
        """Workers that outlive the daemon serve with each next one, on the same ports; nothing of the earlier ones stays in them."""
        port, tls_port = harness.free_port(), harness.free_port()
        self.import_server(f'127.0.0.1:{tls_port}')
        name = f'queue-{port}'
        workers = [self.application('tests/system/reconnecting_worker', THREADS, *words) for words in (
            (name, f'http://localhost:{port}/'), (name,), (f'queue-{tls_port}', f'https://localhost:{tls_port}/'))]
        for worker in workers:
            worker.expect('^serving 1$')
        stop, clients = self.start_clients(port, 4, daemon_dies=True)
        chooser, slowest, descriptors = random.Random(), 0, []

        def held(what, worker):
            return len(os.listdir(f'/proc/{worker.pid}/{what}'))
        for kills in range(1, RESTARTS + 1):
            time.sleep(chooser.uniform(0, 0.3))
            self.daemon.kill()
            time.sleep(chooser.choice([0, 0.2]))
            with Within(2, 'all workers to serve again') as within:
                self.daemon.start()
                for worker in workers:
                    worker.expect(f'^serving {kills + 1}$', 5)
                pids = self.pids_that_answer(port, tls_port)
            slowest = max(slowest, within.took)
            self.assertEqual(pids, {worker.pid for worker in workers})
            eventually(lambda: [held('task', worker) for worker in workers] == [THREADS + 1] * 3, 5, 'the threads of the workers')
            descriptors.append([held('fd', worker) for worker in workers])
        stop.set()
        for client in clients:
            client.join()
            self.assertEqual(client.wrong, [])
        counts = self.sum_of(clients)
        print(f'the daemon killed {kills} times, {counts["answered"]} requests answered, all workers served again within {slowest:.3f} s',
              flush=True)
        self.assertLessEqual(max(descriptors[-1]), max(descriptors[0]) + kills / 2, 'descriptors of the workers')

    def pids_that_answer(self, port, tls_port):
        """Of all workers of the queue, which takes some requests, and of the application with TLS."""
        with self.connect(tls_port) as connection:
            pids = {int(connection.get('/').body)}
        end = time.monotonic() + 10 * WAIT
        while len(pids) < 3 and time.monotonic() < end:
            with self.connect(port, plain=True) as connection:
                pids.add(int(connection.get('/').body))
        return pids


if __name__ == '__main__':
    harness.main()
