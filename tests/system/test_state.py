#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state folder at bad moments: the daemon killed in the middle of changes, files cut in half beside it, its folders gone, a full disk.
What was acknowledged stays, what was not is whole or not there, and the last good configuration goes on serving."""

import os
import random
import re
import shutil
import subprocess
import threading
import time
import unittest

import harness

SECONDS = int(os.environ.get('HTTPSYS_CRASH_SECONDS', '10'))


def ports_of(text):
    """The addresses that `show sslcert` names."""
    return {line.partition(' : ')[2].strip() for line in text.splitlines() if line.strip().startswith('IP:port')}


class State(harness.SystemTest):
    exit_status = None

    def serves(self, port):
        """Whether a handshake succeeds there."""
        with self.connect(port) as connection:
            return connection.get('/').status == 200

    def show(self):
        return ports_of(self.ctl('show', 'sslcert'))

    def test_killed_in_the_middle_of_changes(self):
        thumbprint = self.import_certificate(self.certificates.server)
        seed = random.randrange(1 << 32)
        chooser = random.Random(seed)
        known, kills, number, until = self.show(), 0, 0, time.monotonic() + SECONDS
        while time.monotonic() < until or kills <= 3:
            killer = threading.Timer(chooser.random() * 0.05, self.daemon.kill)
            killer.start()
            doubtful = set()
            while self.daemon.process.is_running():
                number += 1
                deletes = len(known) > 20
                address = chooser.choice(sorted(known)) if deletes else f'127.0.{number // 200 % 200}.{number % 200 + 1}:443'
                more = [] if deletes else [f'certhash={thumbprint}', f'appid={harness.APPID}']
                if self.daemon.ctl('delete' if deletes else 'add', 'sslcert', f'ipport={address}', *more).status != 0:
                    doubtful.add(address)
                elif deletes:
                    known.discard(address)
                else:
                    known.add(address)
            killer.join()
            kills += 1
            self.daemon.start()
            shown = self.show()
            self.assertLessEqual(known - doubtful, shown, f'seed {seed}: acknowledged and lost')
            self.assertLessEqual(shown, known | doubtful, f'seed {seed}: never asked for, or deleted and back')
            self.assertNotRegex(self.daemon.log(), 'is not used', f'seed {seed}')
            known = shown
        print(f'seed {seed}: {kills} kills, {number} changes', flush=True)

    def record(self, port):
        return os.path.join(self.daemon.state, 'sslcert', f'127.0.0.1:{port}')

    def read(self, path):
        with open(path, 'rb') as file:
            return file.read()

    def write(self, path, contents):
        """As a whole: the daemon may look at any moment."""
        new = os.path.join(self.folder, 'new')
        with open(new, 'wb') as file:
            file.write(contents)
        os.chmod(new, 0o600)
        os.replace(new, path)

    def said(self, path, what):
        """What the running daemon says, once, about a file."""
        harness.eventually(lambda: re.search(f'"{re.escape(path)}" {what}', self.daemon.log()), 20, what)
        self.assertEqual(len(re.findall(f'"{re.escape(path)}" {what}', self.daemon.log())), 1, self.daemon.log())

    def test_files_cut_and_changed_while_it_runs(self):
        ports = [harness.free_port() for _ in range(4)]
        for port in ports:
            self.import_server(f'127.0.0.1:{port}')
        cut, removed, edited, whole = (self.record(port) for port in ports)
        foreign = self.record(1)
        before = {path: self.read(path) for path in (cut, removed, edited, whole)}
        application = self.application('tests/system/api_server', 'event', 2, '-', 'create',
                                       *(f'https://localhost:{port}/' for port in ports))
        application.expect('^ready$')
        shown = self.ctl('show', 'sslcert')
        with open(cut, 'r+b') as file:
            file.truncate(len(before[cut]) // 2)
        os.unlink(removed)
        self.write(edited, before[edited].replace(b'disabletls13=disable', b'disabletls13=enable'))
        self.write(foreign, before[whole].replace(str(ports[3]).encode(), b'1'))
        self.said(cut, 'was changed while httpsysd runs and is not usable any more .*: what was loaded stays in use and is written again')
        self.said(removed, 'was removed while httpsysd runs: what was loaded stays in use and is written again')
        self.said(edited, 'was changed while httpsysd runs: what it has loaded stays in use until it is restarted')
        self.said(foreign, 'has appeared while httpsysd runs and is not used')
        for path in (cut, removed):
            self.said(path, 'is there again as it was loaded')
            self.assertEqual(self.read(path), before[path])
        self.assertEqual(self.read(f'{cut}.damaged'), before[cut][:len(before[cut]) // 2], 'it stays for somebody to look at')
        # What runs is what was loaded.
        self.assertEqual(self.ctl('show', 'sslcert'), shown)
        self.assertTrue(all(self.serves(port) for port in ports))
        certificate = os.path.join(self.daemon.state, 'certificates', os.listdir(os.path.join(self.daemon.state, 'certificates'))[0])
        os.truncate(certificate, 1000)
        self.said(certificate, 'was changed while .*: what was loaded stays in use until httpsysd is restarted; "httpsysctl import cert"')
        self.assertTrue(all(self.serves(port) for port in ports))
        self.import_certificate(self.certificates.server)
        os.unlink(foreign)
        self.daemon.kill()
        application.wait(5)
        self.daemon.start()
        self.assertEqual(self.show(), {f'127.0.0.1:{port}' for port in ports})
        self.assertNotRegex(self.daemon.log(), 'is not used')
        again = self.application('tests/system/api_server', 'event', 2, '-', 'create', *(f'https://localhost:{port}/' for port in ports))
        again.expect('^ready$')
        self.assertTrue(all(self.serves(port) for port in ports))

    def mode(self, path):
        return os.stat(path).st_mode & 0o7777

    def test_folder_removed_and_moved_away_while_it_runs(self):
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}')
        record, folder = self.record(port), os.path.dirname(self.record(port))
        for number, what in enumerate(('removed', 'moved')):
            before, shown = self.read(record), self.ctl('show', 'sslcert')
            if what == 'removed':
                shutil.rmtree(folder)
            else:
                os.rename(folder, os.path.join(self.folder, 'elsewhere'))
            said = f'the folder "{re.escape(folder)}" was removed or moved away while httpsysd runs: .* it is made again'
            harness.eventually(lambda: os.path.exists(record), 20, 'the file in the folder that was made again')
            self.assertEqual(self.read(record), before)
            self.assertEqual((self.mode(folder), self.mode(record)), (0o700, 0o600))
            self.assertEqual(self.ctl('show', 'sslcert'), shown)
            # What is changed from now on is where a start looks.
            self.ctl('update', 'sslcert', f'ipport=127.0.0.1:{port}', f'disabletls13={"disable" if number else "enable"}')
            changed = self.ctl('show', 'sslcert')
            self.assertNotEqual(changed, shown)
            self.assertEqual(len(re.findall(said, self.daemon.log())), 1, self.daemon.log())
            self.daemon.kill()
            self.daemon.start()
            self.assertEqual(self.ctl('show', 'sslcert'), changed)
            self.assertNotRegex(self.daemon.log(), 'is not used|while httpsysd runs')
        shutil.rmtree(os.path.join(self.folder, 'elsewhere'))

    @unittest.skipUnless(os.environ.get('HTTPSYS_SANITIZE', 'none') == 'none', 'builds with a sanitizer leave Landlock out')
    def test_state_folder_moved_away_while_it_runs(self):
        """In its sandbox the daemon makes no folder beside its own: it refuses changes, and goes on when the folder is back."""
        if 'sandbox: Landlock: off' in self.daemon.log():
            self.skipTest('without Landlock uid 0 makes it again')
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}')
        shown, elsewhere = self.ctl('show', 'sslcert'), os.path.join(self.folder, 'elsewhere')
        words = ['update', 'sslcert', f'ipport=127.0.0.1:{port}', 'disabletls13=enable']
        os.rename(self.daemon.state, elsewhere)
        name = f'the folder "{re.escape(self.daemon.state)}"'
        lost = f'{name} was removed or moved away while httpsysd runs, and cannot be made again'
        self.daemon.expect_log(lost, 20)
        self.assertRegex(self.ctl(*words, status=1), f'Error: 29: .*{lost}: .*; nothing was changed')
        self.assertRegex(self.ctl('delete', *words[1:3], status=1), f'Error: 29: .*{lost}: .*; nothing was changed')
        self.assertEqual(self.ctl('show', 'sslcert'), shown)
        self.assertFalse(os.path.exists(self.daemon.state))
        os.rename(elsewhere, self.daemon.state)
        self.daemon.expect_log(f'{name} is there again', 20)
        self.ctl(*words)
        changed = self.ctl('show', 'sslcert')
        self.assertNotEqual(changed, shown)
        self.assertEqual(len(re.findall(lost, self.daemon.log())), 1, self.daemon.log())
        # Removed with all that is in it: what was loaded stays in use.
        shutil.rmtree(self.daemon.state)
        harness.eventually(lambda: len(re.findall(lost, self.daemon.log())) == 2, 20, 'that the folder is gone')
        self.assertRegex(self.ctl('delete', 'sslcert', f'ipport=127.0.0.1:{port}', status=1), 'Error: 29: .*nothing was changed')
        self.assertEqual(self.ctl('show', 'sslcert'), changed)
        self.daemon.kill()
        self.daemon.start()

    def test_files_cut_while_it_does_not_run(self):
        ports = [harness.free_port() for _ in range(2)]
        for port in ports:
            self.import_server(f'127.0.0.1:{port}')
        self.daemon.kill()
        path = self.record(ports[1])
        contents = self.read(path)
        half = contents[:len(contents) // 2]
        self.write(path, half)
        self.daemon.start()
        self.daemon.expect_log(f'"{re.escape(path)}" is not used')
        self.assertIn(f'127.0.0.1:{ports[0]}', self.show())
        self.assertNotIn(f'127.0.0.1:{ports[1]}', self.show())
        self.assertEqual(self.read(path), half, 'a damaged file stays for somebody to look at')
        application = self.application('tests/system/api_server', 'event', 2, '-', 'create', f'https://localhost:{ports[0]}/')
        application.expect('^ready$')
        self.assertTrue(self.serves(ports[0]))
        os.unlink(path)


@unittest.skipUnless(os.getuid() == 0, 'a disk that fills up: for root, who may mount one')
class DiskFull(harness.SystemTest):
    """The state folder is a file system of 256 KiB that only the daemon sees."""

    @classmethod
    def setUpClass(cls):
        tried = subprocess.run(['unshare', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], capture_output=True, text=True, check=False)
        if tried.returncode:
            raise unittest.SkipTest(f'no mount namespace here: {tried.stderr.strip()}')
        script = 'mkdir -p "$0" && mount -t tmpfs -o size=256k,mode=0700 tmpfs "$0" && exec "$@"'
        original = harness.Daemon.__init__

        def with_disk(daemon, folder, *arguments):
            original(daemon, folder, *arguments)
            daemon.prefix = ('unshare', '--mount', 'sh', '-c', script, daemon.state)
        harness.Daemon.__init__ = with_disk
        try:
            super().setUpClass()
        finally:
            harness.Daemon.__init__ = original

    def test_disk_full(self):
        port, other = harness.free_port(), harness.free_port()
        self.import_server(f'127.0.0.1:{port}')
        application = self.application('tests/system/api_server', 'event', 2, '-', 'create', f'https://localhost:{port}/')
        application.expect('^ready$')
        filler = f'/proc/{self.daemon.process.popen.pid}/root{self.daemon.state}/filler'
        with open(filler, 'wb', buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        thumbprint = self.ctl('show', 'cert').split('Certificate Hash')[1].split(':')[1].split()[0]
        words = ['add', 'sslcert', f'ipport=127.0.0.1:{other}', f'certhash={thumbprint}', f'appid={harness.APPID}']
        said = self.ctl(*words, status=1)
        self.assertRegex(said, '(?i)no space|disk|full')
        with self.connect(port) as connection:
            self.assertEqual(connection.get('/plain').status, 200)
        self.assertEqual(ports_of(self.ctl('show', 'sslcert')), {f'127.0.0.1:{port}'})
        os.unlink(filler)
        self.ctl(*words)
        self.assertEqual(ports_of(self.ctl('show', 'sslcert')), {f'127.0.0.1:{port}', f'127.0.0.1:{other}'})


if __name__ == '__main__':
    harness.main()
