#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""httpsysctl as a program, without a daemon: exit codes, and which stream gets what. test_alone.py PROGRAM"""
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))


def run(*words, environment=None, stdout=subprocess.PIPE):
    clean = {name: value for name, value in os.environ.items() if name != 'HTTPSYS_SOCKET'}
    return subprocess.run([PROGRAM, *words], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=20,
                          env={**clean, **(environment or {})})


class Alone(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='hsysctl-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.socket = os.path.join(self.folder, 's')

    def fails(self, status, sentence, *words, **options):
        done = run(*words, **options)
        self.assertEqual((done.returncode, done.stdout), (status, ''), done.stderr)
        self.assertEqual(done.stderr.count('\n'), 1)
        self.assertEqual(done.stderr, f'httpsysctl: {sentence}\n')

    def test_help_and_version(self):
        for words in (['--help'], ['help'], ['--version']):
            done = run(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            self.assertIn('httpsysctl', done.stdout)

    def test_unknown_words(self):
        self.fails(2, 'unknown command "shwo" (did you mean "show"?)', 'shwo')
        self.fails(2, 'unknown word "sslcrt" after "show" (did you mean "sslcert"?)', 'show', 'sslcrt')
        self.fails(2, 'unknown word "certhas=00" for "add sslcert" (did you mean "certhash="?)', 'add', 'sslcert', 'certhas=00')
        self.fails(2, 'unknown option "--sokcet" (did you mean "--socket"?)', '--sokcet', 'x')
        self.fails(2, 'no command was given: add, update, delete, show and import are there')

    def test_refused_before_the_daemon(self):
        self.fails(1, '"show urlacl" is not supported: there are no URL reservations yet, ports from 1024 are open to every program '
                   'that can connect and lower ones to uid 0 and httpsysd\'s own uid (ERROR_NOT_SUPPORTED 50)', 'show', 'urlacl')
        self.fails(1, '"delete sslcert" needs ipport= or hostnameport=: one or more essential parameters were not entered'
                   ' (ERROR_INVALID_PARAMETER 87)', 'delete', 'sslcert')
        self.fails(1, f'cannot read certfile "{self.folder}/none": No such file or directory', 'import', 'ca',
                   f'certfile={self.folder}/none')

    def test_no_daemon(self):
        for words, environment in ((['--socket', self.socket], {}), ([], {'HTTPSYS_SOCKET': self.socket}),
                                   (['--socket', self.socket], {'HTTPSYS_SOCKET': '/nowhere'})):
            self.fails(3, f'cannot reach httpsysd at "{self.socket}": there is no such file (is httpsysd running? --socket or '
                       'HTTPSYS_SOCKET name another path)', *words, 'show', 'cert', environment=environment)

    def test_full_disk(self):
        with open('/dev/full', 'w', encoding='utf-8') as full:
            done = run('--help', stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn('No space left on device', done.stderr)


if __name__ == '__main__':
    unittest.main()
