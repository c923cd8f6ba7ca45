# SPDX-License-Identifier: GPL-3.0-or-later
"""What system tests stand on: real processes of this build, on loopback, in a folder of their own.

    class Hello(harness.SystemTest):
        config = {'timeouts': {'SslRenegotiation': 2}}

        def test_hello(self):
            port = harness.free_port()
            self.import_server(f'127.0.0.1:{port}')
            application = self.application('tests/system/hello', port)
            application.expect('^ready$')
            with self.connect(port) as connection:
                self.assertEqual(connection.get('/').status, 200)

    if __name__ == '__main__':
        harness.main()

One daemon serves all tests of a class. After the class it gets SIGTERM and has to end with `exit_status` and without a sanitizer's report,
as every application does after each test. meson sets HTTPSYS_BUILD (the build folder), HTTPSYS_CORES and HTTPSYS_SANITIZE; by hand:
HTTPSYS_BUILD=build python3 tests/system/test_x.py -v [Class.test]."""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import unittest

import browser
import certificates
import peers
from processes import WAIT, Failure, Process, eventually, shortened

APPID = '{4dc3e181-e14b-4a21-b022-59fc669b0914}'


def build_folder():
    return os.path.abspath(os.environ.get('HTTPSYS_BUILD', 'build'))


def cores():
    return int(os.environ.get('HTTPSYS_CORES', '1'))


def own_user():
    """Words for a daemon: it stays who starts the tests, on a machine with a user httpsys too."""
    return ['--user', pwd.getpwuid(0).pw_name] if os.getuid() == 0 else []


def free_port(first=20000, end=32000):
    """A port on which nothing listens, on no address, that no other test program of this machine takes. Below the range that outgoing
    connections use."""
    while True:
        port = random.randrange(first, end)
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f'\0httpsys-test-port-{port}')
            for family, address in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
                with socket.socket(family) as probe:
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.bind((address, port))
        except OSError:
            lock.close()
            continue
        lock.detach()   # open until this program ends
        return port


def toml(config):
    """{'limits': {'MaxHeaderCount': 10}} as TOML."""
    def value(item):
        return str(item).lower() if isinstance(item, bool) else f'"{item}"' if isinstance(item, str) else str(item)
    return '\n'.join(f'[{table}]\n' + ''.join(f'{key} = {value(item)}\n' for key, item in keys.items()) for table, keys in config.items())


# System call, error, words: runs the words with the call answered by the error.
WITHOUT_CALL = '''
import ctypes, os, struct, sys
call, error = map(int, sys.argv[1:3])
program = struct.pack('=' + 'HBBI' * 4, 0x20, 0, 0, 0, 0x15, 0, 1, call, 6, 0, 0, 0x50000 | error, 6, 0, 0, 0x7fff0000)
code = ctypes.create_string_buffer(program, len(program))
rules = ctypes.create_string_buffer(struct.pack('@HP', 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
for words in ((38, 1, 0, 0, 0), (22, 2, ctypes.c_void_p(ctypes.addressof(rules)), 0, 0)):
    if libc.prctl(*words) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[3], sys.argv[3:])
'''


CONTROL_MAGIC = 0x6c746373
STATISTICS = ('sessions', 'channels', 'irps_pending', 'irps_total', 'blocks_lent', 'handles', 'connections', 'connections_total',
              'requests_queued', 'requests_delivered', 'requests_total', 'request_queues', 'url_groups', 'urls', 'descriptors',
              'resident_bytes')


class Session:
    """A session on the control socket, of a process without a channel (uapi/control.h)."""
    HEAD = struct.Struct('=IHHIIII')   # magic, type, 0, size, sequence, status, 0

    def __init__(self, path, seconds=10):
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(seconds * WAIT)
        self.sequence = 0
        try:
            self.control.connect(path)
            if not self.ask(1, struct.pack('=IIIIQQ32s', 1, 0, 0, 0, 0, 0, b'tests')):
                raise Failure('HELLO is not answered: the session is turned away')
        except BaseException:
            self.control.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_reason):
        self.control.close()

    def ask(self, kind, rest=b''):
        self.sequence += 1
        self.control.send(self.HEAD.pack(CONTROL_MAGIC, kind, 0, self.HEAD.size + len(rest), self.sequence, 0, 0) + rest)
        return self.control.recv(1024)

    def statistics(self):
        answer = self.ask(11)
        if len(answer) < self.HEAD.size or self.HEAD.unpack_from(answer)[1] != 12 or self.HEAD.unpack_from(answer)[5] != 0:
            raise Failure(f'STATS is not answered: {answer.hex()}')
        return dict(zip(STATISTICS, struct.unpack_from(f'={len(STATISTICS)}Q', answer, self.HEAD.size)))

    def ping(self):
        """The seconds that PONG takes."""
        begin = time.monotonic()
        answer = self.ask(5)
        if len(answer) < self.HEAD.size or self.HEAD.unpack_from(answer)[1] != 6:
            raise Failure(f'PING is not answered: {answer.hex()}')
        return time.monotonic() - begin


class Daemon:
    """httpsysd in a folder. A second start() after stop() or kill() finds the same state and socket."""

    def __init__(self, folder, config=None, arguments=(), environment=None, prefix=()):
        self.folder = folder
        self.socket = os.path.join(folder, 's')
        self.state = os.path.join(folder, 'state')
        self.arguments = ['--socket', self.socket, '--state-dir', self.state, *own_user(), '--cores', cores(), *arguments]
        if config is not None:
            path = os.path.join(folder, 'httpsys.toml')
            with open(path, 'w', encoding='utf-8') as file:
                file.write(config if isinstance(config, str) else toml(config))
            self.arguments += ['--config', path]
        self.environment = environment
        self.prefix = prefix   # a program that becomes the daemon, and its words
        self.process = None

    def spawn(self):
        """Without waiting for readiness: for starts that have to fail. What a sanitizer has said of the one before is not lost with it."""
        if self.process and self.process.sanitizer_report():
            raise Failure(f'httpsysd: {self.process.sanitizer_report()}')
        self.process = Process([*self.prefix, os.path.join(build_folder(), 'kernel/main/httpsysd'), *self.arguments],
                               self.environment, name='httpsysd')
        return self.process

    def start(self):
        """Returns when it is ready: the socket is there, and belongs to this start."""
        before = self.identity()
        process = self.spawn()
        eventually(lambda: self.identity() not in (None, before) or not process.is_running(), 20, 'the socket of httpsysd')
        if not process.is_running():
            process.wait()
            raise Failure(f'httpsysd has ended{process.describe()}')
        return self

    def identity(self):
        try:
            status = os.stat(self.socket)
            return status.st_ino, status.st_ctime_ns
        except FileNotFoundError:
            return None

    def stop(self, seconds=20):
        """SIGTERM; the exit status."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        self.process.kill()

    def log(self):
        return self.process.stderr.text()

    def expect_log(self, pattern, seconds=10):
        return self.process.expect(pattern, seconds, 'stderr')

    def statistics(self, seconds=10):
        """STATS of the control socket (uapi/control.h) by name, for who may administrate; the session is one of those counted."""
        with Session(self.socket, seconds) as session:
            return session.statistics()

    def ctl(self, *words, seconds=20):
        """Runs httpsysctl; the ended Process with .status."""
        process = Process([os.path.join(build_folder(), 'tools/httpsysctl'), *words], {'HTTPSYS_SOCKET': self.socket}, limit=seconds)
        process.close_stdin()
        process.status = process.wait(seconds + 5)
        return process


class SystemTest(unittest.TestCase):
    config = None         # of the daemon: tables as a dict, or TOML as a text
    arguments = ()        # further ones of the daemon
    environment = None
    prefix = ()           # a program that becomes the daemon, and its words
    exit_status = 0       # of the daemon after SIGTERM; None: not looked at

    @classmethod
    def setUpClass(cls):
        cls.certificates = certificates.load()
        cls.folder = tempfile.mkdtemp(prefix='hsys-', dir='/tmp')   # a socket's path has to be short
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.daemon = Daemon(cls.folder, cls.config, cls.arguments, cls.environment, cls.prefix)
        cls.addClassCleanup(lambda: cls.daemon.process and cls.daemon.kill())
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        process = cls.daemon.process
        status = cls.daemon.stop()
        if process.sanitizer_report():
            raise Failure(f'httpsysd: {process.sanitizer_report()}')
        if cls.exit_status is not None and status != cls.exit_status:
            raise Failure(f'httpsysd ended with {status} after SIGTERM, not with {cls.exit_status}{process.describe()}')

    def run(self, result=None):
        """Shows what the daemon has written during a test that fails. If that leaves no daemon the next tests have one all the same."""
        if getattr(type(self), '__unittest_skip__', False):   # there is no daemon
            return super().run(result)
        result = result if result is not None else self.defaultTestResult()
        bad, process, written = len(result.failures) + len(result.errors), self.daemon.process, len(self.daemon.log())
        super().run(result)
        self.settle()
        is_bad = len(result.failures) + len(result.errors) > bad
        status = self.daemon.process.popen.poll()
        if is_bad or status is not None:
            print(f'--- httpsysd ({"running" if status is None else f"ended with {status}"}) during {self.id()}')
            print(shortened(self.daemon.log()[written if self.daemon.process is process else 0:]), '---', sep='\n', flush=True)
        if status is not None:
            try:
                self.daemon.start()
                if not is_bad:
                    raise Failure(f'httpsysd has ended with {status} during {self.id()}')
            except Failure:
                result.addError(self, sys.exc_info())
        return result

    def settle(self):
        """The daemon takes a moment to notice that the applications of this test have ended: the next one finds what they had free."""
        def has_settled():
            try:
                return not self.daemon.process.is_running() or self.daemon.statistics(3)['sessions'] == 1
            except Failure:   # it has too many sessions yet
                return False
            except OSError:   # it talks to nobody
                return True
        with contextlib.suppress(Failure):   # for what it had to be free for a test says so itself
            eventually(has_settled, 3)

    # Administration.

    def ctl(self, *words, status=0):
        """Runs httpsysctl and expects its exit status; stdout as text (stderr for a status that is not 0)."""
        process = self.daemon.ctl(*words)
        if process.status != status:
            raise Failure(f'exit status {process.status}, expected {status}: httpsysctl {" ".join(map(str, words))}{process.describe()}')
        return (process.stdout if status == 0 else process.stderr).text()

    def import_certificate(self, credential):
        """Its thumbprint."""
        return self.ctl('import', 'cert', f'certfile={credential.chain}', f'keyfile={credential.key}').strip()

    def import_authority(self, with_crl=False):
        """Makes the daemon trust clients of the tests' CA."""
        self.ctl('import', 'ca', f'certfile={self.certificates.ca}')
        if with_crl:
            self.ctl('import', 'crl', f'crlfile={self.certificates.crl}')

    def import_server(self, address, *words, credential=None):
        """Adds a certificate to an address ("127.0.0.1:443", or "www.example.org:443" for a name). words: disabletls13=enable, ..."""
        host = address.rpartition(':')[0].strip('[]')
        tag = 'ipport' if ':' in host or host.replace('.', '').isdigit() else 'hostnameport'
        thumbprint = self.import_certificate(credential or self.certificates.server)
        self.ctl('add', 'sslcert', f'{tag}={address}', f'certhash={thumbprint}', f'appid={APPID}', *words)

    # Applications: programs of this build that use libhttpapi.

    def application(self, program, *arguments, environment=None, pass_fds=()):
        """program: its path in the build folder. The end of the test ends it."""
        process = Process([os.path.join(build_folder(), program), *arguments],
                          {'HTTPSYS_SOCKET': self.daemon.socket, **(environment or {})}, name=os.path.basename(program), pass_fds=pass_fds)
        self.addCleanup(self.end_application, process)
        return process

    @staticmethod
    def end_application(process):
        process.kill()
        if process.sanitizer_report():
            raise Failure(f'{process.name}: {process.sanitizer_report()}')

    # Peers (see peers.py); those that run on are ended with the test.

    def curl(self, url, *arguments, **options):
        return peers.curl(self.certificates, url, *arguments, **options)

    def browser(self, url, **options):
        """Chromium's look at a page: browser.visit(). Skips the test where nobody may make the mounts that it needs."""
        return browser.visit(self.certificates, url, tempfile.mkdtemp(dir=self.folder), **options)

    def s_client(self, port, *arguments, **options):
        return self.peer(peers.s_client(self.certificates, port, *arguments, **options))

    def gnutls_cli(self, port, *arguments, **options):
        return self.peer(peers.gnutls_cli(self.certificates, port, *arguments, **options))

    def peer(self, process):
        self.addCleanup(process.kill)
        return process

    def connect(self, port, *, version=None, credential=None, post_handshake=False, plain=False, **options):
        """A Connection with TLS, or a plain one."""
        context = None if plain else peers.tls_context(self.certificates, version, credential, post_handshake)
        connection = peers.Connection(port, context, **options)
        self.addCleanup(connection.close)
        return connection


def main():
    unittest.main(verbosity=2)
