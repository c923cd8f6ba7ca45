#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many at once: connections that are all asked for a certificate in the same moment, and pipelined requests of hundreds of connections
over several workers of one queue, each of which has to get its own answer."""

import asyncio
import json
import os
import socket
import threading
import time

import harness
from application import ApiTest
from processes import WAIT


class Many(ApiTest):
    def test_certificates_at_once(self):
        count = 200
        self.import_authority()
        port, _application = self.start_https('port', threads=count)
        wanted = self.certificates.clients['good'].der().hex()
        for version in ('1.3', '1.2'):
            with self.subTest(version=version):
                start, results = threading.Barrier(count), []

                def visit():
                    try:
                        with self.connect(port, version=version, credential=self.certificates.clients['good'],
                                          post_handshake=True) as connection:
                            self.ask(connection, '/plain')
                            start.wait(60 * WAIT)
                            results.append(self.certificate(connection)[0])
                    except Exception as error:   # a thread's own is only printed
                        start.abort()
                        results.append({'code': repr(error)})
                threads = [threading.Thread(target=visit) for _ in range(count)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual([call['code'] for call in results], [0] * count)
                self.assertEqual({call['data'] for call in results}, {wanted})

    def test_pipelined_requests_over_workers(self):
        port = harness.free_port()
        name = f'queue-{port}'
        workers = [self.start('port', f'http://localhost:{port}/', queue=name)]
        workers += [self.start(mode, queue=name, role='open') for mode in ('port', 'event', 'blocking')]
        pids = set()
        answers = 0

        async def answer(reader):
            head = await reader.readuntil(b'\r\n\r\n')
            self.assertTrue(head.startswith(b'HTTP/1.1 200 '), head)
            length = next(line for line in head.split(b'\r\n') if line.lower().startswith(b'content-length:'))
            return json.loads(await reader.readexactly(int(length.split(b':')[1])))

        async def talk(number, end):
            nonlocal answers
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            turn = 0
            while turn == 0 or time.monotonic() < end:
                urls = [f'/request?{number}-{turn}-{i}' for i in range(7)]
                writer.write(b''.join(f'GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode() for url in [*urls, '/plain']))
                for url in urls:
                    self.assertEqual((await answer(reader))['raw_url'], url)
                pids.add((await answer(reader))['pid'])
                answers += 8
                turn += 1
            writer.close()

        async def all_of_them():
            end = time.monotonic() + 3
            await asyncio.wait_for(asyncio.gather(*(talk(number, end) for number in range(500))), 60 * WAIT)
        asyncio.run(all_of_them())
        self.assertGreaterEqual(answers, 4000)
        self.assertEqual(pids, {worker.popen.pid for worker in workers})


class FewDescriptors(ApiTest):
    prefix = ('prlimit', '--nofile=364:364')

    def test_full_of_connections(self):
        """More connections than the daemon has descriptors for keep out neither httpsysctl nor an application."""
        port = harness.free_port()
        name = f'queue-{port}'
        first = self.start('port', f'http://localhost:{port}/', queue=name)
        connection = self.connect(port, plain=True)
        connection.send('G')   # who is idle makes room for others

        def ask_again():
            """And begins the next request."""
            connection.send('ET /plain HTTP/1.1\r\nHost: localhost\r\n\r\nG')
            return json.loads(connection.response().body)['pid']
        self.assertEqual(ask_again(), first.popen.pid)
        crowd = [socket.create_connection(('127.0.0.1', port), 10 * WAIT) for _ in range(400)]
        for each in crowd:
            each.send(b'G')
        self.daemon.expect_log('connections are open, as many as the limit of descriptors')
        if os.getuid() == 0:   # the folder is root's alone
            # 172 are kept, and the first application's session has some of them.
            self.assertLessEqual(len(os.listdir(f'/proc/{self.daemon.process.pid}/fd')), 364 - 172 + 10)
        self.assertIn('SSL Certificate bindings', self.ctl('show', 'sslcert'))
        self.import_server(f'127.0.0.1:{harness.free_port()}')
        other = self.start('port', queue=name, role='open')
        pids = set()
        for _ in range(1000):
            pids.add(ask_again())
            if other.popen.pid in pids:
                break
        self.assertIn(other.popen.pid, pids)
        second_port, _application = self.start_http('blocking')
        for each in crowd:
            each.close()
        self.daemon.expect_log('connections are accepted again after')
        for each in (port, second_port):
            self.ask(self.connect(each, plain=True), '/plain')
        time.sleep(0.5)
        lines = [line for line in self.daemon.log().splitlines() if 'accept' in line or 'as many as' in line]
        # Another two if the crowd was stopped on a busy machine while it left.
        self.assertIn(len(lines), (2, 4), lines)


if __name__ == '__main__':
    harness.main()
