#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process with the ids and handle values of another one (foreign.cpp): every function refuses it with the code that the API has for
that, and the request of the owner is as before."""

import os
import shutil
import stat
import unittest

import harness

CONNECTION_INVALID, INVALID_PARAMETER, INVALID_HANDLE, ACCESS_DENIED, PENDING = 1229, 87, 6, 5, 997
REQUESTS = ('HttpReceiveHttpRequest', 'HttpReceiveRequestEntityBody', 'HttpSendHttpResponse', 'HttpSendResponseEntityBody',
            'HttpWaitForDisconnect', 'HttpReceiveClientCertificate', 'HttpCancelHttpRequest')
GROUPS = ('HttpAddUrlToUrlGroup', 'HttpRemoveUrlFromUrlGroup', 'HttpSetUrlGroupProperty', 'HttpCloseUrlGroup', 'HttpCreateUrlGroup',
          'HttpCloseServerSession')


class Foreign(harness.SystemTest):
    PROGRAM = 'tests/system/foreign'

    def test_ids_and_handles_of_another_process(self):
        port = harness.free_port()
        owner = self.application(self.PROGRAM, 'owner', f'http://localhost:{port}/')
        owner.expect('^ready')
        connection = self.connect(port, plain=True)
        connection.send('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello')
        ids = owner.expect('^ids (.*)$').group(1).decode().split()
        stranger = self.application(self.PROGRAM, 'stranger', *ids)
        self.assertEqual(stranger.wait(20), 0, stranger.describe())
        lines = [line.split() for line in stranger.stdout.text().splitlines()]
        wanted = [('handles', 0)] + [(name, INVALID_HANDLE) for name in REQUESTS]
        wanted += [('HttpShutdownRequestQueue', INVALID_PARAMETER), ('HttpCloseRequestQueue', INVALID_PARAMETER)]
        wanted += [('ids', 0)] + [(name, CONNECTION_INVALID) for name in REQUESTS]
        wanted += [('groups', 0)] + [(name, INVALID_PARAMETER) for name in GROUPS] + [('end', 0)]
        self.assertEqual([(name, int(code)) for name, code in lines], wanted)
        owner.send('go\n')
        owner.expect('^body 5$')
        self.assertEqual(connection.response().status, 200)
        self.assertEqual(owner.wait(10), 0)

    def test_the_certificate_of_another_process(self):
        """By the id of a TLS connection whose client's certificate is known, with an OVERLAPPED: neither the certificate nor the token."""
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}', 'clientcertnegotiation=enable')
        owner = self.application(self.PROGRAM, 'owner', f'https://localhost:{port}/')
        owner.expect('^ready')
        connection = self.connect(port, credential=self.certificates.clients['good'])
        connection.send('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello')
        queue, _request, connection_id, *_rest = owner.expect('^ids (.*)$').group(1).decode().split()
        stranger = self.application(self.PROGRAM, 'certificate', queue, connection_id)
        self.assertEqual(stranger.wait(20), 0, stranger.describe())
        wanted = [f'handle {flags} {INVALID_HANDLE} {INVALID_HANDLE} 0 1' for flags in (0, 2, 1)]
        wanted += [f'id {flags} {PENDING} {CONNECTION_INVALID} 0 1' for flags in (0, 2, 1)]
        self.assertEqual(stranger.stdout.text().splitlines(), wanted)
        owner.send('go\n')
        self.assertEqual(connection.response().status, 200)
        self.assertEqual(owner.wait(10), 0)

    def test_a_named_queue_of_another_user(self):
        """Whom the daemon's socket lets in may still not open a queue that another user has made."""
        if os.geteuid() != 0 or not shutil.which('setpriv'):
            raise unittest.SkipTest('needs root and setpriv to become another user')
        name = f'queue-{harness.free_port()}'
        creator = self.application(self.PROGRAM, 'create', name)
        creator.expect('^create 0$')
        same = self.application(self.PROGRAM, 'open', name)
        same.expect('^open 0$')
        before = [(path, stat.S_IMODE(os.stat(path).st_mode)) for path in (self.folder, self.daemon.socket)]
        for path, _mode in before:
            os.chmod(path, 0o777)
        try:
            # Copied, since the build folder may lie where nobody may look.
            copy = os.path.join(self.folder, 'foreign')
            shutil.copy(os.path.join(harness.build_folder(), self.PROGRAM), copy)
            library = os.path.join(harness.build_folder(), 'lib', 'libhttpapi.so.1')
            shutil.copy(library, self.folder)
            other = self.application(shutil.which('setpriv'), '--reuid=65534', '--regid=65534', '--clear-groups', copy, 'open', name,
                                     environment={'LD_LIBRARY_PATH': self.folder})
            other.expect(f'^open {ACCESS_DENIED}$')
        finally:
            for path, mode in before:
                os.chmod(path, mode)


if __name__ == '__main__':
    harness.main()
