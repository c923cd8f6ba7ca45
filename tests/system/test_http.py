#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 through daemon, ring and library: requests as delivered, bodies both ways, own answers, limits and times (design.md 5, 6)."""

import hashlib
import json
import os
import tempfile
import time

import harness
from application import MODES, ApiTest
from processes import PATIENCE


class Requests(ApiTest):
    def test_request_as_delivered(self):
        for mode in MODES:
            port, _application = self.start_http(mode)
            with self.subTest(mode=mode), self.connect(port, plain=True) as connection:
                connection.send(f'BREW /a/../request?x=%41 HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: me\r\n'
                                'X-A: 1\r\nx-a: 2\r\n\r\n')
                request = json.loads(connection.response().body)
                self.assertEqual((request['verb'], request['unknown_verb']), (1, 'BREW'))
                self.assertEqual(request['raw_url'], '/a/../request?x=%41')
                self.assertEqual(request['full_url'], f'http://localhost:{port}/request?x=%41')
                self.assertEqual((request['path'], request['query']), ('/request', '?x=%41'))
                self.assertEqual(request['host'], f'localhost:{port}')
                self.assertEqual(request['context'], 4242)
                self.assertEqual(request['known'], {'28': f'localhost:{port}', '40': 'me'})
                self.assertEqual(request['unknown'], {'X-A': '1, 2'})
                self.assertEqual((request['flags'], request['tls']), (0, 0))

    def test_curl_and_keep_alive(self):
        port, _application = self.start_https('port')
        url = f'https://localhost:{port}/plain'
        for version in ('1.2', '1.3'):
            process = self.curl(url, url, '--resolve', f'localhost:{port}:127.0.0.1', '-w', '%{num_connects}', version=version)
            self.assertEqual(process.status, 0, process.stderr.text())
            self.assertTrue(process.stdout.text().endswith('0'), 'the second request needs no new connection')

    def test_http_1_0(self):
        port, _application = self.start_http('event')
        with self.connect(port, plain=True) as connection:
            connection.send('GET /plain HTTP/1.0\r\n\r\n'.replace('/plain', f'http://localhost:{port}/plain'))
            response = connection.response()
            self.assertEqual(response.status, 200)
            self.assertEqual(response.header('Connection'), 'close')
            self.assertTrue(connection.is_closed_by_peer())

    def test_https_target_without_tls(self):
        port, _application = self.start_http('event')
        with self.connect(port, plain=True) as connection:
            connection.send(f'GET https://localhost:{port}/plain HTTP/1.1\r\nHost: localhost\r\n\r\n')
            response = connection.response()
            self.assertEqual(response.status, 400)
            self.assertIn(b'Invalid URL', response.body)
        self.daemon.expect_log('the target is an https URL, but the connection has no TLS')

    def test_head(self):
        port, _application = self.start_http('event')
        with self.connect(port, plain=True) as connection:
            response = connection.get('/plain', method='HEAD')
            self.assertEqual(response.status, 200)
            self.assertGreater(int(response.header('Content-Length')), 5)
            self.assertEqual(connection.get('/plain').status, 200)

    def test_statuses_without_body(self):
        port, _application = self.start_http('blocking')
        with self.connect(port, plain=True) as connection:
            for code in (204, 304, 404, 599):
                response = connection.get(f'/status?code={code}')
                self.assertEqual(response.status, code)
                self.assertEqual(response.body, b'' if code in (204, 304) else b'body')

    def test_pipelining(self):
        port, _application = self.start_http('port')
        with self.connect(port, plain=True) as connection:
            wanted = list(range(400, 440))
            connection.send(''.join(f'GET /status?code={code} HTTP/1.1\r\nHost: localhost\r\n\r\n' for code in wanted))
            data = b''
            while data.count(b'body') < 40:
                data += connection.socket.recv(65536)
            self.assertEqual([int(part.split(b' ')[0]) for part in data.split(b'HTTP/1.1 ')[1:]], wanted)

    def test_known_names_in_the_unknown_array(self):
        for mode in MODES:
            port, _application = self.start_http(mode)
            with self.connect(port, plain=True) as connection:
                response = connection.get('/headers')
                self.assertEqual(response.body, b'12345')
                names = [name.lower() for name, _value in response.headers]
                for name in ('content-length', 'date', 'server', 'x-test'):
                    self.assertEqual(names.count(name), 1, response.headers)
                self.assertNotIn('1990', response.header('Date'))
                self.assertEqual(connection.get('/plain').status, 200)

    def test_receive_with_a_small_buffer_and_copied_body(self):
        port, _application = self.start_http('blocking', environment={'RECEIVE_FLAGS': '1'})
        with self.connect(port, plain=True) as connection:
            connection.send('POST /request HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345')
            request = json.loads(connection.response().body)
            self.assertEqual((request['chunk'], request['flags']), ('12345', 0))


class Bodies(ApiTest):
    def test_echo(self):
        body = os.urandom(3_000_000)
        for mode in MODES:
            port, _application = self.start_https(mode)
            with self.subTest(mode=mode), self.connect(port) as connection:
                for size in (1000, 65536, 1000000):
                    for fill in (0, 1):
                        connection.send(f'POST /echo?size={size}&fill={fill} HTTP/1.1\r\nHost: localhost\r\n'
                                        f'Content-Length: {len(body)}\r\n\r\n')
                        connection.send(body)
                        self.assertEqual(hashlib.sha256(connection.response().body).digest(), hashlib.sha256(body).digest())

    def test_chunked_request(self):
        port, _application = self.start_http('port')
        with self.connect(port, plain=True) as connection:
            connection.send('POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
            for piece in ('5\r\nhello\r\n', '1;x=y\r\n \r\n', '5\r\nwor', 'ld\r\n', '0\r\nTrailer: x\r\n\r\n'):
                connection.send(piece)
                time.sleep(0.02)
            self.assertEqual(connection.response().body, b'hello world')
            self.assertEqual(connection.get('/plain').status, 200)

    def test_continue(self):
        for mode in MODES:
            port, _application = self.start_http(mode)
            with self.connect(port, plain=True) as connection:
                connection.send('POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n')
                self.assertEqual(connection.socket.recv(25), b'HTTP/1.1 100 Continue\r\n\r\n')
                connection.send('body')
                self.assertEqual(connection.response().body, b'body')

    def test_unread_body_is_drained(self):
        port, _application = self.start_http('event')
        with self.connect(port, plain=True) as connection:
            connection.send('POST /plain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n')
            self.assertEqual(connection.response().status, 200)
            connection.send(b'x' * 1000000)
            self.assertEqual(connection.get('/plain').status, 200)

    def test_stream(self):
        for mode in MODES:
            port, _application = self.start_https(mode)
            with self.connect(port) as connection:
                response = connection.get('/stream?bytes=100000&pieces=30')
                self.assertEqual(response.body, b'x' * 3_000_000)
                self.assertEqual(connection.get('/until-close?bytes=5000000').body, b'y' * 5_000_000)

    def test_file(self):
        with tempfile.NamedTemporaryFile() as file:
            content = os.urandom(2_500_000)
            file.write(content)
            file.flush()
            for mode in MODES:
                port, _application = self.start_http(mode)
                with self.connect(port, plain=True) as connection:
                    self.assertEqual(connection.get(f'/file?path={file.name}').body, content)
                    self.assertEqual(connection.get(f'/file?path={file.name}&offset=1000&length=70000').body, content[1000:71000])

    def test_slow_reader(self):
        """A client that does not read holds up its own response alone."""
        port, _application = self.start_http('port')
        with self.connect(port, plain=True) as slow, self.connect(port, plain=True) as quick:
            slow.send('GET /until-close?bytes=30000000 HTTP/1.1\r\nHost: localhost\r\n\r\n')
            for _ in range(50):
                self.assertEqual(quick.get('/plain').status, 200)
            self.assertEqual(len(slow.response().body), 30_000_000)


class Ends(ApiTest):
    config = {'timeouts': {'HeaderWait': 1, 'IdleConnection': 1, 'EntityBody': 1, 'DrainEntityBody': 1, 'Handshake': 1}}

    def test_disconnect(self):
        for mode in MODES:
            for end in ('close', 'reset'):
                with self.subTest(mode=mode, end=end):
                    port, application = self.start_http(mode)
                    connection = self.connect(port, plain=True)
                    self.until_calls(4, 0)
                    connection.send('GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n')
                    self.until_calls(4)   # it and three receives
                    getattr(connection, end)()
                    application.expect('disconnected 0')
                    application.kill()

    def test_cancel_request(self):
        port, application = self.start_http('event')
        connection = self.connect(port, plain=True)
        connection.send('GET /cancel HTTP/1.1\r\nHost: localhost\r\n\r\n')
        self.assertTrue(connection.is_closed_by_peer())
        application.expect('cancelled 0')

    def test_times(self):
        port, _application = self.start_http('event')
        tls_port, _other = self.start_https('event')
        body = b'POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345'
        for what, data in (('idle', b''), ('head', b'GET / HT'), ('body', body)):
            begin = time.monotonic()
            with self.subTest(what=what), self.connect(port, plain=True) as connection:
                connection.send(data)
                self.assertTrue(connection.is_closed_by_peer())
                self.assertGreater(time.monotonic() - begin, 0.9)
        with self.connect(tls_port, plain=True) as connection:
            self.assertTrue(connection.is_closed_by_peer())


class Drips(ApiTest):
    """Who sends a byte at a time holds nothing for longer than who sends none."""
    config = {'timeouts': {name: PATIENCE for name in ('HeaderWait', 'IdleConnection', 'EntityBody', 'Handshake')},
              'limits': {'EntityBodyBytes': 1000}}

    def check_ends(self, port, begun, dripped, log):
        with self.connect(port, plain=True) as connection:
            begin = time.monotonic()
            connection.send(begun)
            ended = False
            for place in range(600):
                if ended:
                    break
                time.sleep(0.1)
                try:
                    connection.send(dripped[place % len(dripped)].to_bytes(1, 'big'))
                except OSError:
                    ended = True
            self.assertTrue(ended, 'still served after a minute')
            self.assertGreater(time.monotonic() - begin, 0.9)
        self.daemon.expect_log(log)

    def test_drips(self):
        port, application = self.start_http('event')
        tls_port, _other = self.start_https('event')
        head = b'POST /count HTTP/1.1\r\nHost: localhost\r\n'
        chunked = head + b'Transfer-Encoding: chunked\r\n\r\n'
        hello = b'\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03'   # of 8 KiB
        for what, at, begun, dripped, log in (
                ('ClientHello', tls_port, hello, b'r', 'the time for the TLS handshake is over'),
                ('head', port, head, b'X-Field: x\r\n', 'the time for the request head is over'),
                ('body', port, head + b'Content-Length: 10000\r\n\r\n', b'b', 'the time for the request body is over'),
                ('chunks', port, chunked, b'1\r\nb\r\n', 'the time for the request body is over'),
                ('extension', port, chunked + b'1;', b'e', 'the time for the request body is over'),
                ('trailers', port, chunked + b'0\r\n', b'X-Field: x\r\n', 'the time for the request body is over')):
            with self.subTest(what=what):
                self.check_ends(at, begun, dripped, log)
        with self.connect(port, plain=True) as connection:   # enough in each time, for longer
            connection.send(head + b'Content-Length: 15000\r\n\r\n')
            for _ in range(15):
                connection.send(b'b' * 1000)
                time.sleep(0.2 * PATIENCE)
            self.assertEqual(connection.response('POST').status, 200)
        application.kill()


class OwnAnswers(ApiTest):
    def answer(self, port, data, status, length=None):
        with self.subTest(data=data[:60]), self.connect(port, plain=True) as connection:
            connection.send(data)
            response = connection.response('HEAD' if data.startswith('HEAD') else 'GET')
            self.assertEqual(response.status, status)
            self.assertEqual(response.header('Connection'), 'close')
            if length:
                self.assertEqual(len(response.body), length)
            self.assertTrue(connection.is_closed_by_peer())

    def test_table(self):
        port = harness.free_port()
        self.start('event', f'http://localhost:{port}/here/')
        host = 'Host: localhost\r\n'
        self.answer(port, f'GET / HTTP/1.1\r\n{host}\r\n', 404, 315)
        self.answer(port, f'HEAD / HTTP/1.1\r\n{host}\r\n', 404)
        self.answer(port, 'GET /here HTTP/1.1\r\nHost: other\r\n\r\n', 400, 334)
        self.answer(port, 'GET /here HTTP/1.1\r\n\r\n', 400, 334)
        self.answer(port, f'GET /here HTTP/1.1\r\n{host}{host}\r\n', 400)
        self.answer(port, f'POST /here HTTP/1.1\r\n{host}\r\n', 411, 344)
        self.answer(port, f'POST /here HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n', 501, 343)
        self.answer(port, f'POST /here HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n', 400)
        self.answer(port, f'GET /here HTTP/1.1\n{host}\n', 400)
        self.answer(port, f'GET /here HTTP/1.1\r\n{host}A: b\r\n c\r\n\r\n', 400)
        self.answer(port, f'GET /here HTTP/2.0\r\n{host}\r\n', 505)
        self.answer(port, f'GET /{"x" * 17000} HTTP/1.1\r\n', 414)
        self.answer(port, f'GET /here HTTP/1.1\r\n{host}A: {"x" * 17000}\r\n\r\n', 431)
        self.answer(port, f'GET /here HTTP/1.1\r\n{host}' + 'a:\r\n' * 1001 + '\r\n', 431)
        self.answer(port, f'GET /here/%00 HTTP/1.1\r\n{host}\r\n', 400, 324)
        self.answer(port, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400)


if __name__ == '__main__':
    harness.main()
