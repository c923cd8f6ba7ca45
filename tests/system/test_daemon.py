#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the daemon starts, ends and reads its configuration, the exit codes of both programs, and where private keys are (design.md 6)."""

import concurrent.futures
import contextlib
import errno
import math
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import certificates
import harness
from application import ApiTest
from processes import WAIT, Process, Within, eventually

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../tools/samples'))
import look_inside

NOBODY = 65534
IO_URING_SETUP = '425'   # the same everywhere
# Runs its words with SIGTERM sent and not delivered yet.
WITH_SIGTERM_PENDING = '''
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.kill(os.getpid(), signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
'''


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def program(name):
    return os.path.join(harness.build_folder(), name)


class Alone(unittest.TestCase):
    """A folder, and daemons that a test starts itself."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='hsys-', dir='/tmp')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_program(self, *words, environment=None, status=None, prefix=()):
        """An ended process."""
        process = Process([*prefix, *words], environment)
        self.addCleanup(process.kill)
        process.close_stdin()
        process.status = process.wait(20)
        if process.sanitizer_report():
            self.fail(process.sanitizer_report())
        if status is not None:
            self.assertEqual(process.status, status, process.describe())
        return process

    def httpsysd(self, *words, **options):
        user = harness.own_user() if '--socket' in words else []
        return self.run_program(program('kernel/main/httpsysd'), *user, *words, **options)

    def refused(self, pattern, *words, status=1, **options):
        """It says one sentence on stderr and nothing on stdout."""
        process = self.httpsysd(*words, **options)
        self.assertEqual(process.status, status, process.describe())
        self.assertRegex(process.stderr.text(), pattern)
        self.assertEqual(process.stdout.text(), '')
        self.assertEqual(process.stderr.text().count('\n'), 1, process.stderr.text())

    def daemon(self, folder=None, start=True, **options):
        daemon = harness.Daemon(folder or self.folder, **options)
        self.addCleanup(lambda: daemon.process and daemon.kill())
        return daemon.start() if start else daemon


class Starting(Alone):
    def test_folders_and_modes(self):
        """Both folders are made, several levels of them; the state is its owner's alone."""
        daemon = self.daemon(start=False)
        daemon.socket, daemon.state = f'{self.folder}/run/deep/s', f'{self.folder}/lib/deep/state'
        daemon.arguments = ['--socket', daemon.socket, '--state-dir', daemon.state, *harness.own_user()]
        daemon.start()
        self.assertEqual(mode_of(daemon.state), 0o700)
        self.assertEqual(mode_of(daemon.socket), 0o660)
        self.assertEqual(sorted(os.listdir(os.path.dirname(daemon.socket))), ['s', 's.lock'])
        daemon.expect_log('ready')
        self.assertEqual(daemon.ctl('show', 'sslcert').status, 0)
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(os.path.exists(daemon.socket))

    @unittest.skipUnless(os.getuid() == 0, 'the other tests show it for this user')
    def test_needs_no_root(self):
        copy = shutil.copy(program('kernel/main/httpsysd'), self.folder)   # the build folder may be closed to others
        os.chown(self.folder, NOBODY, NOBODY)
        path = os.path.join(self.folder, 's')
        process = Process(['setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', '--pdeathsig', 'KILL', copy,
                           '--socket', path, '--state-dir', f'{self.folder}/state'])
        self.addCleanup(process.kill)
        eventually(lambda: os.path.exists(path) or not process.is_running(), 20)
        process.expect('ready', stream='stderr')
        # Neither a core file nor another process of its user gets to see it: what is undumpable belongs to root (prctl(2)).
        self.assertEqual(os.stat(f'/proc/{process.pid}/mem').st_uid, 0)
        self.assertEqual((os.stat(path).st_uid, os.stat(f'{self.folder}/state').st_uid), (NOBODY, NOBODY))
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(), 0)

    def test_long_socket_path(self):
        path = f'{self.folder}/' + 'x' * (107 - len(self.folder) - 1)
        self.refused('xxx.*108 bytes, 107', '--socket', path + 'x', '--state-dir', f'{self.folder}/state')
        self.assertFalse(os.path.exists(f'{self.folder}/state'))
        daemon = self.daemon(start=False)
        daemon.arguments[1] = daemon.socket = path
        daemon.start()
        self.assertEqual(daemon.ctl('show', 'ca').status, 0)

    def test_second_daemon(self):
        first = self.daemon()
        self.refused(rf'pid {first.process.pid}\b', '--socket', first.socket, '--state-dir', f'{self.folder}/other')
        self.assertEqual(first.ctl('show', 'ca').status, 0)

    def test_stale_socket(self):
        daemon = self.daemon()
        daemon.kill()
        self.assertTrue(os.path.exists(daemon.socket))
        self.assertEqual(daemon.ctl('show', 'ca').status, 3)
        daemon.start()
        self.assertEqual(daemon.ctl('show', 'ca').status, 0)

    def test_something_else_at_the_path(self):
        path = f'{self.folder}/s'
        with open(path, 'w', encoding='ascii') as file:
            file.write('mine')
        process = self.httpsysd('--socket', path, '--state-dir', f'{self.folder}/state', status=1)
        self.assertRegex(process.stderr.text(), 'is not a socket')
        with open(path, encoding='ascii') as file:
            self.assertEqual(file.read(), 'mine')

    def test_signal_during_a_start_that_fails(self):
        path = f'{self.folder}/s'
        with open(path, 'w', encoding='ascii'):
            pass
        process = self.run_program(sys.executable, '-c', WITH_SIGTERM_PENDING, program('kernel/main/httpsysd'), '--socket', path,
                                   '--state-dir', f'{self.folder}/state', *harness.own_user(), status=1)
        self.assertRegex(process.stderr.text(), 'is not a socket')

    def test_whoever_sees_the_socket_can_connect(self):
        """Without a pause: connect() right when the name is there, after a clean end and over a stale socket."""
        daemon = self.daemon(start=False)
        for turn in range(12):
            before = daemon.identity()
            process = daemon.spawn()
            while daemon.identity() in (None, before) and process.is_running():
                pass
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.connect(daemon.socket)
            self.assertEqual(daemon.ctl('show', 'ca').status, 0)
            if turn % 2:
                self.assertEqual(daemon.stop(), 0)
            else:
                daemon.kill()

    def test_option_outweighs_environment(self):
        option, variable = f'{self.folder}/option', f'{self.folder}/variable'
        for words, path in ((['--socket', option], option), ([], variable)):
            daemon = self.daemon(start=False, environment={'HTTPSYS_SOCKET': variable})
            daemon.arguments, daemon.socket = ['--state-dir', daemon.state, *harness.own_user(), *words], path
            daemon.start()
            self.assertEqual([name for name in (option, variable) if os.path.exists(name)], [path])
            self.assertEqual(daemon.stop(), 0)

    def test_service_manager(self):
        """It is told when the socket is there, and when the end begins."""
        for begin, variable in (('', ''), ('\0', '@')):
            name = f'{self.folder}/notify'
            with self.subTest(begin=begin), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(begin + name)
                manager.settimeout(10 * WAIT)
                daemon = self.daemon(start=False, environment={'NOTIFY_SOCKET': variable + name})
                daemon.spawn()
                self.assertEqual(manager.recv(100), b'READY=1')
                self.assertTrue(os.path.exists(daemon.socket))
                self.assertEqual(daemon.stop(), 0)
                self.assertEqual(manager.recv(100), b'STOPPING=1')

    def test_sigterm_at_any_moment(self):
        """Before it listens for the signal it just dies; from then on it ends in order. It never hangs, and leaves no socket."""
        for turn in range(20):
            daemon = self.daemon(start=False)
            process = daemon.spawn()
            time.sleep(turn * 0.002)
            self.assertIn(daemon.stop(5), (0, -signal.SIGTERM), process.describe())
            self.assertFalse(os.path.exists(daemon.socket))

    def test_nobody_reads_its_log(self):
        """As behind a pager, or a terminal with Ctrl-S: it works and ends all the same."""
        daemon = self.daemon(start=False)
        ours, its = os.pipe()
        process = subprocess.Popen([program('kernel/main/httpsysd'), *map(str, daemon.arguments)], stderr=its)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        eventually(lambda: os.path.exists(daemon.socket), 20, 'the socket of httpsysd')
        os.set_blocking(its, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(its, b'x'):
                pass
        os.set_blocking(its, True)
        os.close(its)
        for _ in range(2000):   # a line each
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.connect(daemon.socket)
                client.send(b'nonsense')
                client.recv(100)
        self.assertEqual(daemon.ctl('import', 'ca', f'certfile={certificates.load().ca}').status, 0)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10 * WAIT), 0)
        os.close(ours)

    def test_without_io_uring(self):
        words = [program('kernel/main/httpsysd'), '--socket', f'{self.folder}/s', '--state-dir', f'{self.folder}/state',
                 *harness.own_user()]
        for error, pattern in ((errno.EPERM, 'io_uring.*(seccomp filter|kernel.io_uring_disabled)'), (errno.ENOSYS, 'io_uring')):
            process = self.run_program(sys.executable, '-c', harness.WITHOUT_CALL, IO_URING_SETUP, error, *words, status=1)
            self.assertRegex(process.stderr.text(), pattern)
            self.assertEqual(process.stderr.text().count('\n'), 1, process.stderr.text())
            self.assertFalse(os.path.exists(f'{self.folder}/s'))

    def test_too_few_descriptors(self):
        """It says so instead of keeping everybody out."""
        for limit in (30, 100, 200, 300):
            self.refused(r'^httpsysd: this process may have %d descriptors \(RLIMIT_NOFILE\) and has \d+ now; httpsysd needs at least 300 '
                         r'more: 128 for connections' % limit,
                         '--socket', f'{self.folder}/s', '--state-dir', f'{self.folder}/state', '--cores', '8',
                         prefix=('prlimit', f'--nofile={limit}:{limit}'))
            self.assertFalse(os.path.exists(f'{self.folder}/s'))


class CommandLine(Alone):
    def test_options(self):
        self.assertRegex(self.httpsysd('--version', status=0).stdout.text(), r'^httpsysd \d+\.\d+\.\d+\n')
        self.assertRegex(self.httpsysd('--help', status=0).stdout.text(), '--state-dir DIR')
        self.refused('unknown option "--sokcet".*"--socket"', '--sokcet', 'x', status=2)
        self.refused('unknown option "--nonsense": --help lists', '--nonsense', status=2)
        self.refused('unknown word "start"', 'start', status=2)
        self.refused('--config needs a value', '--config', status=2)
        for cores in ('0', '257', '1x', '-1'):
            self.refused('--cores cannot be .*1 to 256', '--cores', cores)

    def config(self, text):
        path = f'{self.folder}/httpsys.toml'
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def test_configuration(self):
        for text, place, words in [
                ('[limits]\n\n  MaxHeaderCuont = 4\n', '3:3', 'unknown key "MaxHeaderCuont".*"MaxHeaderCount"'),
                ('[limit]\nMaxHeaderCount = 4\n', '1:', r'unknown table .*\[limits\]'),
                ('[timeouts]\nMaxHeaderCount = 4\n', '2:1', r'belongs under \[limits\]'),
                ('MaxHeaderCount = 4\n', '1:1', r'belongs under \[limits\]'),
                ('[limits]\nMaxHeaderCount = "4"\n', '2:18', 'a whole number'),
                ('[limits]\nMaxHeaderCount = 0\n', '2:18', 'from 1 to 1000'),
                ('[timeouts]\nHandshake = -1\n', '2:13', 'Handshake is -1'),
                ('limits = 3\n', '1:1', 'limits must be a table'),
                ('[limits\n', '1:', '')]:
            path = self.config(text)
            for more in (['--check-config'], ['--socket', f'{self.folder}/s', '--state-dir', f'{self.folder}/state']):
                with self.subTest(text=text, more=more[0]):
                    self.refused(f'{path}:{place}.*{words}', '--config', path, *more)
        self.assertFalse(os.path.exists(f'{self.folder}/state'))

    def test_named_file_is_missing(self):
        missing = f'{self.folder}/missing.toml'
        for more in (['--check-config'], ['--socket', f'{self.folder}/s', '--state-dir', f'{self.folder}/state']):
            self.refused(f'"{missing}": No such file', '--config', missing, *more)

    def test_check_config(self):
        path = self.config('[timeouts]\nHeaderWait = 0.25\n[compat]\nAcceptBareLF = true\n')
        text = self.httpsysd('--config', path, '--check-config', status=0).stdout.text()
        for line in (f'HeaderWait = 0.25 # {path}:2', f'AcceptBareLF = true # {path}:4', 'MaxHeaderCount = 1000 # default'):
            self.assertIn(line + '\n', text)
        # What it prints is a configuration.
        again = self.httpsysd('--config', self.config(text), '--check-config', status=0).stdout.text()
        self.assertEqual([line.split(' #')[0] for line in again.splitlines()], [line.split(' #')[0] for line in text.splitlines()])


class WithoutDaemon(Alone):
    def test_initialize(self):
        """Within a second, with 1062 and a sentence: nothing is there, or a stale socket."""
        stale = f'{self.folder}/stale'
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
            server.bind(stale)
        for path in (f'{self.folder}/none', stale):
            with Within(1, 'HttpInitialize without a daemon'):
                process = self.run_program(program('tests/system/api_server'), 'event', 1, '-', 'create',
                                           environment={'HTTPSYS_SOCKET': path}, status=1)
            self.assertRegex(process.stderr.text(), rf'HttpInitialize failed with 1062: .*{path}.*\n')

    def test_httpsysctl(self):
        process = self.run_program(program('tools/httpsysctl'), '--socket', f'{self.folder}/none', 'show', 'cert', status=3)
        self.assertRegex(process.stderr.text(), 'is httpsysd running')
        self.assertEqual(process.stdout.text(), '')


class ExitCodes(harness.SystemTest):
    def test_httpsysctl(self):
        server = self.certificates.server
        missing = f'certfile={self.folder}/none.pem'
        for words, status, sentence in [
                (['show', 'cert'], 0, None),
                (['cert', 'show'], 0, None),
                (['shwo', 'cert'], 2, '"show"'),
                (['show', 'cret'], 2, '"cert"'),
                (['show', 'cert', 'certhsah=1'], 2, '"certhash="'),
                (['--sokcet', 'x', 'show', 'cert'], 2, '"--socket"'),
                (['import', 'cert', missing, f'keyfile={server.key}'], 1, 'none.pem'),
                (['import', 'cert', f'certfile={server.chain}', f'keyfile={self.certificates.server_rsa.key}'], 1, 'key'),
                (['delete', 'cert', 'certhash=' + '0' * 40], 1, '0{40}'),
                (['show', 'sslcert', 'ipport=127.0.0.1:1'], 1, '127.0.0.1:1'),
                (['delete', 'sslcert', 'ipport=127.0.0.1:1'], 1, '127.0.0.1:1'),
                (['add', 'sslcert', 'ipport=127.0.0.1:1', 'certhash=' + '0' * 40, 'appid={1}'], 1, 'GUID')]:
            with self.subTest(words=words):
                process = self.daemon.ctl(*words)
                self.assertEqual(process.status, status, process.describe())
                if status:
                    self.assertRegex(process.stderr.text(), sentence)
                    self.assertEqual((process.stdout.text(), process.stderr.text().count('\n')), ('', 1))
        self.assertEqual(self.ctl('import', 'cert', f'CertFile={server.chain}', f'KEYFILE={server.key}'), server.thumbprint() + '\n')
        self.assertEqual(self.ctl('import', 'cert', f'certfile={server.chain}', f'keyfile={server.key}'), server.thumbprint() + '\n')

    @unittest.skipUnless(os.getuid() == 0, 'needs a second user')
    def test_not_permitted(self):
        copy = shutil.copy(program('tools/httpsysctl'), self.folder)
        os.chmod(self.folder, 0o755)
        for mode, sentence in ((0o660, 'may not connect'), (0o666, 'may not administer')):
            os.chmod(self.daemon.socket, mode)
            process = Process(['setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', copy, '--socket', self.daemon.socket,
                               'show', 'cert'], limit=20)
            self.assertEqual(process.wait(25), 4, process.describe())
            self.assertRegex(process.stderr.text(), sentence)


class State(ApiTest):
    def test_survives(self):
        """What httpsysctl has reported as done is there after an orderly end, and after SIGKILL."""
        self.import_authority(with_crl=True)
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}', 'clientcertnegotiation=enable')
        commands = ('show sslcert', 'show cert', 'show ca', 'show crl')
        before = [self.ctl(*command.split()) for command in commands]
        for end in (self.daemon.stop, self.daemon.kill):
            end()
            self.daemon.start()
            self.assertEqual([self.ctl(*command.split()) for command in commands], before)
            self.start('event', f'https://localhost:{port}/')
            with self.connect(port, credential=self.certificates.clients['good']) as connection:
                self.assertEqual(self.ask(connection, '/request')['client_flags'], 0)
            self.ctl('update', 'sslcert', f'ipport=127.0.0.1:{port}', f'certhash={self.certificates.server.thumbprint()}',
                     f'appid={harness.APPID}', 'clientcertnegotiation=enable', 'disabletls13=enable')
            before = [self.ctl(*command.split()) for command in commands]
            self.assertIn(f'127.0.0.1:{port}', before[0])


class Ending(ApiTest):
    config = {'timeouts': {'Shutdown': 60}}

    def test_drain(self):
        self.check_drain(signal.SIGTERM)

    def test_drain_at_hangup(self):
        """As SIGTERM, unless it was started with SIGHUP ignored, as by nohup: then it goes on serving."""
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)   # whoever runs the tests may have done that, too
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        self.daemon.process.signal(signal.SIGHUP)
        port, _application = self.start_https('event')
        self.assertEqual(self.connect(port).get('/plain').status, 200)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        self.check_drain(signal.SIGHUP)

    def check_drain(self, number):
        """What is under way is finished, a new connection refused, an idle one closed; then it ends with 0."""
        port, application = self.start_https('event')
        idle, busy = self.connect(port), self.connect(port)
        self.assertEqual(idle.get('/plain').status, 200)
        mark = self.mark()
        busy.send(f'GET /hold?until={mark} HTTP/1.1\r\nHost: localhost\r\n\r\n')
        application.expect('^holding$')
        self.daemon.process.signal(number)
        self.daemon.expect_log('ending: ')
        eventually(lambda: self.is_refused(port), 5, 'new connections to be refused')
        self.assertTrue(idle.is_closed_by_peer())
        self.release(mark)
        self.assertEqual(busy.response().status, 200)
        self.assertTrue(busy.is_closed_by_peer())
        self.assertEqual(self.daemon.process.wait(2), 0)
        self.daemon.start()

    @staticmethod
    def is_refused(port):
        try:
            socket.create_connection(('127.0.0.1', port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass # the port was closed while it had us in its backlog
        return False


class EndingInTime(ApiTest):
    config = {'timeouts': {'Shutdown': 3}}

    def test_drain_has_an_end(self):
        port, application = self.start_http('event', threads=1)
        busy = self.connect(port, plain=True)
        busy.send('GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n')
        application.expect('^holding$')
        with Within(4, 'the end') as within:
            self.assertEqual(self.daemon.stop(), 0)
        self.assertGreater(within.took, 2.5)
        self.assertTrue(busy.is_closed_by_peer())
        self.daemon.start()


class KeyTest(ApiTest):
    def traces(self, credential):
        """The bytes by which a private key is recognised: the scalar, and the PEM text."""
        return look_inside.private_scalar(credential.key), self.text_of(credential)

    @staticmethod
    def text_of(credential):
        with open(credential.key, 'rb') as file:
            return file.read().split(b'\n')[2]


class Keys(KeyTest):
    def test_files(self):
        self.import_certificate(self.certificates.server)
        traces, holders = self.traces(self.certificates.server), []
        for folder, _folders, names in os.walk(self.daemon.folder):
            for name in names:
                path = os.path.join(folder, name)
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                if folder.startswith(self.daemon.state):
                    self.assertEqual((mode_of(path), mode_of(folder)), (0o600, 0o700), path)
                with open(path, 'rb') as file:
                    content = file.read()
                if any(trace in content for trace in traces):
                    holders.append(path)
        self.assertEqual(len(holders), 1, holders)
        self.assertTrue(holders[0].startswith(self.daemon.state), holders)
        self.assertFalse(any(trace in self.daemon.process.stderr.data for trace in traces))

    @unittest.skipUnless(os.environ.get('HTTPSYS_SANITIZE', 'none') == 'none', "a sanitizer's shadow memory has terabytes")
    def test_memory_of_an_application(self):
        """It has been served with the key, and has neither the key nor a network socket."""
        port, application = self.start_https('port')
        with self.connect(port) as connection:
            self.assertEqual(self.ask(connection, '/request')['tls'], 1)
            parts = list(look_inside.memory(application.pid))
            self.assertTrue(any(b'api_server: %s failed with' in part for part in parts), 'what is there is not found')
            for trace in self.traces(self.certificates.server):
                self.assertFalse(any(trace in part for part in parts))
            self.assertEqual(look_inside.network_sockets(application.pid), [])


class KeysInMemory(KeyTest):
    def mappings(self, heap=False):
        """(bytes, flags) of each readable mapping of the daemon; heap: of those alone that malloc has."""
        pid = self.daemon.process.pid
        with open(f'/proc/{pid}/smaps', encoding='utf-8') as smaps, open(f'/proc/{pid}/mem', 'rb', 0) as memory:
            for line in smaps:
                if re.match('[0-9a-f]+-[0-9a-f]+ ', line):
                    begin, end = (int(part, 16) for part in line.split()[0].split('-'))
                    is_heap = '[heap]' in line or begin % (64 << 20) == 0   # a thread's own: malloc aligns it so
                elif line.startswith('VmFlags:'):
                    flags = line.split()[1:]
                    if 'rd' in flags and (not heap or (is_heap and 'lo' not in flags)):
                        with contextlib.suppress(OSError, ValueError, OverflowError):
                            memory.seek(begin)
                            yield memory.read(end - begin), flags

    @unittest.skipUnless(os.environ.get('HTTPSYS_SANITIZE', 'none') == 'none', "a sanitizer's shadow memory has terabytes")
    @unittest.skipUnless(os.getuid() == 0, "nobody else may look into the daemon's memory")
    def test_memory_of_the_daemon(self):
        """A key is there once while a record uses it, in memory that is locked and in no core file, and leaves nothing behind: no text, no
        number in either order of bytes."""
        for credential in (self.certificates.server, self.certificates.server_rsa):
            with self.subTest(credential.name):
                self.check_memory(credential)

    def check_memory(self, credential):
        numbers, text = look_inside.private_numbers(credential.key), self.text_of(credential)
        traces = {'text': text}
        for name, number in numbers.items():
            traces.update({name: number, f'{name} reversed': number[::-1]})

        def found():
            """How often each is there, and the flags of where."""
            counts, flags = dict.fromkeys(traces, 0), []
            for part, here in self.mappings():
                for name, trace in traces.items():
                    if times := part.count(trace):
                        counts[name] += times
                        flags.append((name, here))
            return counts, flags

        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}', credential=credential)
        application = self.start('event', f'https://localhost:{port}/')
        for version in ('1.2', '1.3'):
            with self.connect(port, version=version) as connection:
                self.assertEqual(self.ask(connection, '/request')['tls'], 1)
        self.ctl('update', 'sslcert', f'ipport=127.0.0.1:{port}', 'disabletls13=enable')
        self.import_authority()
        application.kill()
        wanted = {name: int(name in numbers) for name in traces}
        eventually(lambda: found()[0] == wanted, 5, f'one key alone, {found()[0]}')
        for name, flags in found()[1]:
            self.assertLessEqual({'lo', 'dd', 'dc'}, set(flags), name)
        self.ctl('delete', 'sslcert', f'ipport=127.0.0.1:{port}')
        eventually(lambda: not any(found()[0].values()), 5, 'no key at all')

    @unittest.skipUnless(os.environ.get('HTTPSYS_SANITIZE', 'none') == 'none', "a sanitizer's shadow memory has terabytes")
    @unittest.skipUnless(os.getuid() == 0, "nobody else may look into the daemon's memory")
    def test_keys_while_they_sign(self):
        """Nor is any of it on the heap while handshakes go on, which parse it each time."""
        traces = self.all_traces(self.certificates.server_rsa)
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}', credential=self.certificates.server_rsa)
        attacker = subprocess.Popen([program('tools/bench/flood-attacker'), 'handshakes', str(port), '1.5'], stdout=subprocess.PIPE)
        self.addCleanup(attacker.wait)
        self.addCleanup(attacker.stdout.close)
        looks = 0
        while attacker.poll() is None:
            looks += self.look_at_heap(traces)
        self.assertGreater(looks, 0)
        self.ctl('delete', 'sslcert', f'ipport=127.0.0.1:{port}')

    def look_at_heap(self, traces):
        parts = [part for part, _flags in self.mappings(heap=True)]
        self.assertFalse(any(trace in part for trace in traces for part in parts), 'a key is on the heap')
        return len(parts) > 0

    @unittest.skipUnless(os.environ.get('HTTPSYS_SANITIZE', 'none') == 'none', "a sanitizer's shadow memory has terabytes")
    @unittest.skipUnless(os.getuid() == 0, "nobody else may look into the daemon's memory")
    def test_keys_on_their_way(self):
        """Nor while a key is imported, written and read again."""
        for credential in (self.certificates.server, self.certificates.server_rsa):
            with self.subTest(credential.name):
                port, traces = harness.free_port(), self.all_traces(credential)
                self.import_server(f'127.0.0.1:{port}', credential=credential)
                with self.imports(credential) as count:
                    looks = 0
                    while looks < 100 or count() < 10:
                        self.assertTrue(self.look_at_heap(traces))
                        looks += 1
                self.ctl('delete', 'sslcert', f'ipport=127.0.0.1:{port}')

    @contextlib.contextmanager
    def imports(self, credential):
        """Imports it over and over meanwhile; a function that tells how often it was."""
        is_enough, done = threading.Event(), []

        def import_it():
            while not is_enough.is_set():
                done.append(self.import_certificate(credential))

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            importing = pool.submit(import_it)
            try:
                yield lambda: math.inf if importing.done() else len(done)   # it has failed
            finally:
                is_enough.set()
            importing.result()

    def all_traces(self, credential):
        numbers = look_inside.private_numbers(credential.key)
        return [self.text_of(credential), *(trace for number in numbers.values() for trace in (number, number[::-1]))]

    @unittest.skipUnless(os.environ.get('HTTPSYS_SANITIZE', 'none') == 'none', "a sanitizer's shadow memory has terabytes")
    @unittest.skipUnless(os.getuid() == 0, "nobody else may look into the daemon's memory")
    def test_keys_that_are_refused(self):
        """A key on one line, which is none in PEM form, and one among certificates whose end is lost."""
        credential = self.certificates.server_rsa
        with open(credential.key, encoding='ascii') as file:
            key = file.read()
        with open(credential.chain, encoding='ascii') as file:
            chain = file.read()
        path = os.path.join(self.folder, 'refused.pem')
        for name, text in (('one line', chain + key.replace('\n', '')),
                           ('lost end', chain.replace('-----END CERTIFICATE-----', '', 1).rstrip() + '==\n' + key + chain)):
            with self.subTest(name):
                with open(path, 'w', encoding='ascii') as file:
                    file.write(text)
                self.assertIn('cannot be imported', self.ctl('import', 'cert', f'certfile={path}', f'keyfile={path}', status=1))
                self.assertTrue(self.look_at_heap(self.all_traces(credential)))


if __name__ == '__main__':
    harness.main()
