#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon has given up when it serves, seen from outside (/proc), and what --check-sandbox says and tries. All other tests of the
daemon run in the same sandbox: it has no switch."""

import os
import pwd
import re
import shutil
import sys
import tempfile
import unittest

import certificates
import harness
from application import ApiTest
from test_daemon import Alone, mode_of, program

IS_ROOT = os.getuid() == 0
NOBODY = pwd.getpwnam('nobody')
BIND = 1 << 10   # CAP_NET_BIND_SERVICE
LAYERS = ['user', 'capabilities', 'no_new_privs', 'non-dumpable', 'Landlock', 'io_uring', 'locked keys', 'seccomp']
ATTEMPTS = [
    'read /etc/shadow', 'write /etc/passwd', 'make a file in /tmp', 'write the state folder as another user', 'run a program',
    'start a process', 'trace another process', "read another process's memory", "open another process's memory", 'signal another process',
    'connect by TCP', 'make a packet socket', 'make a raw socket', 'raise a capability', 'become uid 0', 'make memory executable',
    'make another io_uring', 'use another operation of its io_uring', 'connect through its io_uring', 'load a BPF object',
    'make a file system to mount', 'change the root folder', "make a key in the kernel's keyring"]
LANDLOCK_CREATE_RULESET, ENOSYS, ENOMEM = 444, 38, 12   # the number is the same everywhere
SECCOMP = {'x86_64': 317, 'aarch64': 277}.get(os.uname().machine)
MLOCK = {'x86_64': 149, 'aarch64': 228}.get(os.uname().machine)
without_sanitizer = unittest.skipUnless(os.environ.get('HTTPSYS_SANITIZE', 'none') == 'none',
                                        'builds with a sanitizer leave seccomp, Landlock and capabilities out')
as_root = unittest.skipUnless(IS_ROOT, 'only uid 0 can become another user')


def threads_of(pid):
    """The status of each thread, as a dict."""
    found = []
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/status', encoding='utf-8') as file:
            found.append(dict(line.rstrip('\n').split(':\t', 1) for line in file))
    return found


def closing_process(daemon):
    """The daemon's only child."""
    with open(f'/proc/{daemon}/task/{daemon}/children', encoding='ascii') as children:
        return int(children.read())


class Check(Alone):
    def setUp(self):
        super().setUp()
        self.socket, self.state = f'{self.folder}/s', f'{self.folder}/state'
        self.program = program('kernel/main/httpsysd')

    def check(self, *words, status=0, prefix=(), error='^$'):
        """The layers and the attempts that it lists, each name with what follows it."""
        process = self.run_program(self.program, '--socket', self.socket, '--state-dir', self.state, '--check-sandbox', *words,
                                   status=status, prefix=prefix)
        self.assertRegex(process.stderr.text(), error)
        lines = [tuple(line.split(': ', 1)) for line in process.stdout.text().splitlines()]
        self.assertEqual([name for name, _ in lines], LAYERS + ATTEMPTS, process.describe())
        return dict(lines[:len(LAYERS)]), dict(lines[len(LAYERS):])

    @without_sanitizer
    def test_report(self):
        layers, attempts = self.check()
        for layer, pattern in [
                ('user', 'off: it stays uid 0: |on, uid ' if IS_ROOT else f'on, uid {os.getuid()}, as it was started'),
                ('capabilities', 'on, (CAP_NET_BIND_SERVICE alone|none)'), ('no_new_privs', 'on$'), ('non-dumpable', 'on$'),
                ('Landlock', r'on, ABI \d+: files|off: '), ('io_uring', 'on, 5 operations allowed$'),
                ('locked keys', 'on, private keys in use are in locked memory'),
                ('seccomp', r'on, \d+ system calls allowed$')]:
            self.assertRegex(layers[layer], f'^(?:{pattern})')
        if not IS_ROOT:
            self.assertRegex(attempts.pop('write the state folder as another user'), '^not tried: ')
        self.assertEqual(set(attempts.values()), {'refused'}, attempts)
        self.assertEqual(os.listdir(self.folder), ['state'])   # it has taken no lock and made no socket

    @without_sanitizer
    def test_beside_a_daemon(self):
        self.daemon()
        self.check(*harness.own_user())

    @without_sanitizer
    def test_a_layer_is_missing(self):
        """It is named, by the check and by the daemon, which works; what only this layer refuses can be done, and the check says so."""
        prefix = self.without_call(LANDLOCK_CREATE_RULESET, ENOSYS)
        layers, attempts = self.check(*harness.own_user(), status=1, prefix=prefix)
        self.assertEqual(layers['Landlock'], 'off: the kernel has none')
        self.assertEqual(attempts['make a file in /tmp'], 'NOT REFUSED: it was done')
        self.assertEqual(attempts['run a program'], 'refused')
        daemon = self.daemon(prefix=prefix)
        daemon.expect_log('^httpsysd: sandbox: Landlock: off: the kernel has none$')
        daemon.expect_log('^httpsysd: ready')
        self.assertEqual(daemon.stop(), 0)

    @staticmethod
    def without_call(call, error):
        """A prefix: the system call fails with the error."""
        return [sys.executable, '-c', harness.WITHOUT_CALL, call, error]

    @without_sanitizer
    @unittest.skipUnless(SECCOMP, 'the number of the system call is not known here')
    def test_no_filter(self):
        """The daemon says so for itself and for the closing process, and works."""
        daemon = self.daemon(prefix=self.without_call(SECCOMP, ENOSYS))
        daemon.expect_log('^httpsysd: sandbox: seccomp of httpsys-closer: off: ')
        daemon.expect_log('^httpsysd: sandbox: seccomp: off: ')
        daemon.expect_log('^httpsysd: ready')
        self.assertEqual(daemon.stop(), 0)

    @without_sanitizer
    @unittest.skipUnless(MLOCK, 'the number of the system call is not known here')
    def test_no_memory_can_be_locked(self):
        """The daemon says it for keys in use, and once for what may bring one, and works."""
        daemon = self.daemon(prefix=self.without_call(MLOCK, ENOMEM))
        daemon.expect_log('^httpsysd: sandbox: locked keys: off: no memory can be locked ')
        daemon.expect_log('^httpsysd: ready')
        server = certificates.load().server
        for _time in range(2):
            self.assertEqual(daemon.ctl('import', 'cert', f'certfile={server.chain}', f'keyfile={server.key}').status, 0)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(re.findall('^httpsysd: messages and files that may bring a private key are in memory that may be swapped',
                                        daemon.log(), re.MULTILINE)), 1)

    def stranger(self, *limits):
        """A prefix: somebody without rights, with these limits and no other process. Not everybody may look into the build's folder."""
        os.chmod(self.folder, 0o777)
        self.program = shutil.copy(self.program, f'{self.folder}/httpsysd')
        nobody_else = str(100_000 + os.getpid())  # this test may run twice at a time
        return ['prlimit', *limits, 'setpriv', '--reuid', nobody_else, '--regid', str(NOBODY.pw_gid), '--clear-groups']

    @without_sanitizer
    @as_root
    def test_no_attempt_can_be_made(self):
        """Without a process for any of them: nothing is known, which is no success."""
        _layers, attempts = self.check(status=1, prefix=self.stranger('--nproc=1'),
                                       error='^httpsysd: 23 of 23 attempts could not be made, .*\n$')
        self.assertEqual(set(attempts.values()), {'not tried: no process can be made for it: Resource temporarily unavailable'}, attempts)

    @without_sanitizer
    @as_root
    def test_no_ring(self):
        """What could only be done through a ring is no breach where there is none, and not known to be refused."""
        layers, attempts = self.check(status=1, prefix=self.stranger('--memlock=0'),
                                      error='^httpsysd: 2 of 23 attempts could not be made, .*\n$')
        self.assertRegex(layers['io_uring'], '^off: no memory')
        for what in ('use another operation of its io_uring', 'connect through its io_uring'):
            self.assertEqual(attempts.pop(what), 'not tried: no io_uring can be made, which the daemon needs')
        self.assertRegex(attempts.pop('write the state folder as another user'), '^not tried: ')
        self.assertEqual(set(attempts.values()), {'refused'}, attempts)

    @without_sanitizer
    @as_root
    def test_read_only_tmp(self):
        """Nobody can write there, which Landlock is not asked about."""
        prefix = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs -o ro none /tmp && exec "$@"', 'sh']
        if self.run_program(*prefix, self.program, '--version').status != 0:
            self.skipTest('nobody may make mounts here, or the build is in /tmp')
        with tempfile.TemporaryDirectory(dir='/run') as folder:
            self.socket, self.state = f'{folder}/s', f'{folder}/state'
            _layers, attempts = self.check(*harness.own_user(), prefix=prefix)
        self.assertEqual(attempts.pop('make a file in /tmp'), 'not tried: the file system is read-only')
        self.assertEqual(set(attempts.values()), {'refused'}, attempts)

    @without_sanitizer
    @as_root
    def test_default_user(self):
        """A user httpsys: in a /etc/passwd that this test alone sees."""
        file = f'{self.folder}/passwd'
        with open(file, 'w', encoding='ascii') as passwd:
            passwd.write('root:x:0:0::/:/bin/sh\nhttpsys:x:64999:64998::/:/bin/false\n')
        prefix = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/passwd && exec "$@"', file]
        if self.run_program(*prefix, 'true').status != 0:
            self.skipTest('nobody may make mounts here')
        os.chmod(self.folder, 0o711)
        os.mkdir(f'{self.folder}/run', 0o755)
        self.socket, self.state = f'{self.folder}/run/s', f'{self.folder}/lib/state'
        layers, attempts = self.check(prefix=prefix)
        self.assertEqual(layers['user'], 'on, uid 64999 (httpsys)')
        self.assertEqual(set(attempts.values()), {'refused'}, attempts)
        for path in (os.path.dirname(self.socket), self.state):
            self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (64999, 64998), path)
        layers, _attempts = self.check('--user', 'root', prefix=prefix)
        self.assertEqual(layers['user'], 'off: it stays uid 0, as --user wants')

    @without_sanitizer
    @as_root
    def test_another_user(self):
        layers, attempts = self.check('--user', 'nobody')
        self.assertEqual(layers['user'], f'on, uid {NOBODY.pw_uid} (nobody)')
        self.assertEqual(set(attempts.values()), {'refused'}, attempts)
        self.assertEqual(os.stat(f'{self.folder}/state').st_uid, NOBODY.pw_uid)


class UserOption(Alone):
    def words(self, *more):
        return ['--socket', f'{self.folder}/s', '--state-dir', f'{self.folder}/state', *more]

    def test_no_such_user(self):
        self.refused('there is no user "no-such-user"', *self.words('--user', 'no-such-user'))
        self.assertFalse(os.path.exists(f'{self.folder}/state'))

    @unittest.skipIf(IS_ROOT, 'for other users than root')
    def test_not_started_as_root(self):
        self.refused('only uid 0 can start httpsysd as "root"', *self.words('--user', 'root'))

    @as_root
    def test_state_of_somebody_else(self):
        self.daemon().stop()
        self.refused(f'/state" belongs to uid 0, httpsysd is to run as nobody.*chown -R nobody {self.folder}/state',
                     *self.words('--user', 'nobody'))

    @as_root
    def test_state_out_of_reach(self):
        os.mkdir(f'{self.folder}/run')
        os.mkdir(f'{self.folder}/closed', 0o700)
        os.chmod(self.folder, 0o755)
        self.refused(f'the user nobody may not write into "{self.folder}/closed/state", the state folder: .*--state-dir',
                     '--socket', f'{self.folder}/run/s', '--state-dir', f'{self.folder}/closed/state', '--user', 'nobody')

    @as_root
    def test_folder_of_somebody_else(self):
        """Others' files are in it, so it is not ours to give away."""
        with open(f'{self.folder}/other', 'w', encoding='ascii'):
            pass
        self.refused(f'the user nobody may not write into "{self.folder}"', *self.words('--user', 'nobody'))
        self.assertEqual(os.stat(self.folder).st_uid, 0)
        self.assertEqual(os.listdir(self.folder), ['other'])


class Serving(ApiTest):
    def uid(self):
        return os.getuid()

    @without_sanitizer
    def test_every_thread(self):
        port, _application = self.start_https('event')
        with self.connect(port) as connection:
            self.assertEqual(self.ask(connection, '/request')['tls'], 1)
        threads = self.check_threads(self.daemon.process.pid)
        self.assertGreaterEqual(len(threads), 4 + harness.cores())

    @without_sanitizer
    def test_every_thread_of_the_closing_process(self):
        port, _application = self.start_https('event')
        with self.connect(port) as connection:
            self.assertEqual(self.ask(connection, '/request')['tls'], 1)
        daemon = self.daemon.process.pid
        child = closing_process(daemon)
        threads = self.check_threads(child)
        self.assertGreaterEqual(len(threads), 2)
        alike = ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters')
        for thread in threads:
            for name in alike:
                self.assertEqual(thread.get(name), threads_of(daemon)[0].get(name), f"{name} of {thread['Name']}")
        self.assertEqual(os.stat(f'/proc/{child}/mem').st_uid, 0)

    @as_root
    def test_files_of_the_closing_process(self):
        """Nothing of the state, no socket that listens and none of a connection."""
        _port, _application = self.start_https('event')
        child = closing_process(self.daemon.process.pid)
        files = [os.readlink(f'/proc/{child}/fd/{number}') for number in os.listdir(f'/proc/{child}/fd')]
        self.assertEqual([name for name in files if not name.startswith(('anon_inode:', 'socket:'))], [])
        with open(f'/proc/{child}/net/unix', encoding='utf-8') as table:
            unix = {f'socket:[{words[6]}]': words[3] for words in (line.split() for line in table)}
        sockets = [name for name in files if name.startswith('socket:')]
        self.assertGreaterEqual(len(sockets), 1)
        for name in sockets:
            self.assertEqual(unix.get(name), '00000000', name)   # its flags: 00010000 listens; one of TCP is not in this table

    def check_threads(self, pid):
        threads = threads_of(pid)
        for thread in threads:
            self.assertEqual((thread['NoNewPrivs'], thread['Seccomp']), ('1', '2'), thread['Name'])
            self.assertEqual(thread['Uid'].split(), [str(self.uid())] * 4)
            sets = {name: int(thread[f'Cap{name}'], 16) for name in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')}
            self.assertIn((sets['Prm'], sets['Eff']), ((0, 0), (BIND, BIND)))
            self.assertEqual((sets['Inh'], sets['Amb']), (0, 0))
            if IS_ROOT:
                self.assertEqual(sets['Bnd'], 0)
                self.assertEqual(sets['Eff'], BIND)
        return threads

    def test_no_process_of_its_user_looks_inside(self):
        self.assertEqual(os.stat(f'/proc/{self.daemon.process.pid}/mem').st_uid, 0)

    @unittest.skipUnless(IS_ROOT, 'needs a port below 1024')
    def test_port_below_1024(self):
        port = harness.free_port(600, 1024)
        self.import_server(f'127.0.0.1:{port}')
        self.start('event', f'https://localhost:{port}/')
        with self.connect(port) as connection:
            self.assertEqual(self.ask(connection, '/request')['tls'], 1)

    def test_administration(self):
        """Certificates, keys and bindings are written, replaced and removed; they outlive the daemon."""
        port, _application = self.start_https('event')
        self.import_authority(with_crl=True)
        self.ctl('update', 'sslcert', f'ipport=127.0.0.1:{port}', f'certhash={self.import_certificate(self.certificates.server_rsa)}',
                 f'appid={harness.APPID}')
        for folder, _folders, names in os.walk(self.daemon.state):
            for name in names:
                path = os.path.join(folder, name)
                self.assertEqual((mode_of(path), os.stat(path).st_uid), (0o600, self.uid()), path)
        before = self.ctl('show', 'sslcert')
        self.assertEqual(self.daemon.stop(), 0)
        self.assertFalse(os.path.exists(self.daemon.socket))
        self.daemon.start()
        self.assertEqual(self.ctl('show', 'sslcert'), before)
        self.start('event', f'https://localhost:{port}/')
        with self.connect(port) as connection:
            self.assertEqual(self.ask(connection, '/request')['tls'], 1)
        self.ctl('delete', 'sslcert', f'ipport=127.0.0.1:{port}')

    def test_named_queue(self):
        port = harness.free_port()
        self.start('event', f'http://localhost:{port}/', queue='sandboxed')
        worker = self.start('event', queue='sandboxed', role='open')
        with self.connect(port, plain=True) as connection:
            for _ in range(4):
                self.assertEqual(self.ask(connection, '/request')['tls'], 0)
        worker.kill()
        with self.connect(port, plain=True) as connection:
            self.assertEqual(self.ask(connection, '/request')['tls'], 0)
        self.assertNotRegex(self.daemon.log(), 'not permitted|ermission denied')


class ServingAsNobody(Serving):
    """Started by root, with another user to be."""
    arguments = ('--user', 'nobody')

    @classmethod
    def setUpClass(cls):
        if not IS_ROOT:
            raise unittest.SkipTest('only uid 0 can become another user')
        super().setUpClass()

    def uid(self):
        return NOBODY.pw_uid

    def test_owners(self):
        for path in (self.daemon.folder, self.daemon.state, self.daemon.socket, self.daemon.socket + '.lock'):
            self.assertEqual(os.stat(path).st_uid, NOBODY.pw_uid, path)

    def test_its_uid_administers(self):
        """Uid 0 and the uid that it has become, nobody else."""
        copy = f'{self.daemon.folder}/ctl'
        with open(program('tools/httpsysctl'), 'rb') as source, open(copy, 'wb') as target:
            target.write(source.read())
        os.chmod(copy, 0o755)
        for uid, status in ((NOBODY.pw_uid, 0), (NOBODY.pw_uid - 1, 4)):
            process = harness.Process(['setpriv', '--reuid', uid, '--regid', NOBODY.pw_gid, '--clear-groups', copy, '--socket',
                                       self.daemon.socket, 'show', 'cert'], limit=20)
            self.assertEqual(process.wait(25), status, process.describe())


if __name__ == '__main__':
    harness.main()
