#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many at once: connections that are all asked for a certificate in the same moment, and pipelined requests of hundreds of connections
over several workers of one queue, each of which has to get its own answer."""

import asyncio
import json
import threading
import time

import harness
from application import ApiTest


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
                            start.wait(60)
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
            await asyncio.wait_for(asyncio.gather(*(talk(number, end) for number in range(500))), 100)
        asyncio.run(all_of_them())
        self.assertGreaterEqual(answers, 4000)
        self.assertEqual(pids, {worker.popen.pid for worker in workers})


if __name__ == '__main__':
    harness.main()
