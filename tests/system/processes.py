# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes with a bound on every wait: their output is read while they run, and none outlives the test program."""

import atexit
import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time

# Sanitized builds are slower: what is promised within a time takes so many times longer.
PATIENCE = 1 if os.environ.get('HTTPSYS_SANITIZE', 'none') == 'none' else 5
# Who waits for what has to happen at last waits so many times longer than a test says, since a slow or busy machine is no failure.
WAIT = 3 * PATIENCE

SANITIZER_REPORT = re.compile(r'(?:ERROR|WARNING|SUMMARY|FATAL): \w+Sanitizer|: runtime error: ')


class Failure(AssertionError):
    """What a process did is not what the test expects; the text holds what it has written."""


def cpu_nanoseconds(pid):
    """CPU time of all threads that a process has now."""
    total = 0
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/schedstat', encoding='ascii') as stat:
            total += int(stat.read().split()[0])
    return total


def eventually(condition, seconds=10, what=None):
    """The first true value of condition(), which is asked until then. what: in words, or who tells it at the end."""
    end = time.monotonic() + seconds * WAIT
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f'not within {seconds * WAIT} s: {what() if callable(what) else what or condition}')
        time.sleep(0.005)


SHOWN = 20          # lines at each end: of a failed test's output often only the last hundred are read
SHOWN_BYTES = 500   # of a line


def shortened(text):
    """For the reader of a failed test: lines that differ in their numbers alone are two and a count, and of many only both ends stay."""
    kept, shape, alike = [], None, 0

    def count_alike():
        if alike > 2:
            kept.append(f'[{alike - 2} more like it]')
    for line in text.splitlines():
        before, shape = shape, re.sub(r'\d+', '0', line)
        if shape != before:
            count_alike()
            alike = 0
        alike += 1
        if alike <= 2:
            kept.append(line if len(line) <= SHOWN_BYTES else f'{line[:SHOWN_BYTES]} [{len(line) - SHOWN_BYTES} more characters]')
    count_alike()
    if len(kept) > 2 * SHOWN:
        kept[SHOWN:-SHOWN] = [f'[{len(kept) - 2 * SHOWN} lines]']
    return '\n'.join(kept)


class Output:
    """What a pipe has delivered so far; a thread of its own reads it."""

    def __init__(self, pipe):
        self.pipe, self.data, self.ended, self.position = pipe, b'', False, 0
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while True:
            part = self.pipe.read1(65536)
            with self.changed:
                self.data += part
                self.ended = not part
                self.changed.notify_all()
            if not part:
                return

    def text(self):
        with self.changed:
            return self.data.decode('utf-8', 'replace')

    def expect(self, pattern, seconds):
        """Waits for the pattern in what came after the last match; the match (of bytes), or None when the time or the pipe is over."""
        compiled = re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.MULTILINE)
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                match = compiled.search(self.data, self.position)
                if match:
                    self.position = match.end()
                    return match
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    return None
                self.changed.wait(left)


# Reads whom a test program has ("+PID") and has not any more ("-PID"), and kills those left when the test program ends in whatever way.
GUARD = '''
import os, signal, sys
held = set()
for line in sys.stdin:
    (held.add if line[0] == '+' else held.discard)(int(line[1:]))
for pid in held:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
'''


class Guard:
    """Of what the kernel does not kill with the test program: it forgets that it should when a process becomes another user."""

    def __init__(self):
        self.popen = subprocess.Popen([sys.executable, '-c', GUARD], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                      start_new_session=True)
        atexit.register(self.end)

    def tell(self, sign, pid):
        self.popen.stdin.write(f'{sign}{pid}\n'.encode())
        self.popen.stdin.flush()

    def end(self):
        self.popen.stdin.close()
        self.popen.wait()


guard = functools.cache(Guard)   # one for each test program


class Process:
    """A running program. With a time limit (peers) it runs below timeout(1). Without one (the daemon, applications) pid is its own, and
    the kernel kills it when the thread that started it ends, so that nothing is left behind when meson kills a test program; a guard
    kills who has become another user."""

    def __init__(self, arguments, environment=None, folder=None, limit=None, name=None, pass_fds=()):
        arguments = [str(argument) for argument in arguments]
        self.name = name or os.path.basename(arguments[0])
        if limit:
            arguments = ['timeout', '--kill-after=5', str(limit * WAIT), *arguments]
        else:
            arguments = ['setpriv', '--pdeathsig', 'KILL', *arguments]
        self.popen = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
                                      env={**os.environ, **(environment or {})}, start_new_session=True, pass_fds=pass_fds)
        self.pid = self.popen.pid
        guard().tell('+', self.pid)
        self.stdout, self.stderr = Output(self.popen.stdout), Output(self.popen.stderr)

    def describe(self):
        return (f'\n--- {self.name} ({self.pid}), exit status {self.popen.poll()}\n--- stdout\n{shortened(self.stdout.text())}\n'
                f'--- stderr\n{shortened(self.stderr.text())}\n---')

    def send(self, data):
        try:
            self.popen.stdin.write(data.encode() if isinstance(data, str) else data)
            self.popen.stdin.flush()
        except BrokenPipeError:
            raise Failure(f'{self.name} has closed its stdin{self.describe()}') from None

    def close_stdin(self):
        try:
            self.popen.stdin.close()
        except BrokenPipeError:
            pass

    def expect(self, pattern, seconds=10, stream='stdout'):
        """Waits until stdout (or stderr) has the pattern, beyond the previous match; ^ and $ mean lines. Returns the match, of bytes."""
        match = getattr(self, stream).expect(pattern, seconds * WAIT)
        if not match:
            raise Failure(f'no {pattern!r} on {stream} within {seconds * WAIT} s{self.describe()}')
        return match

    def wait(self, seconds=10):
        """The exit status (negative: the signal) after the process has ended and all of its output is read."""
        try:
            status = self.popen.wait(seconds * WAIT)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.name} still runs after {seconds * WAIT} s{self.describe()}') from None
        self.close()
        return status

    def close(self):
        """After its end: reads what is left and closes the pipes."""
        guard().tell('-', self.pid)
        self.close_stdin()
        for output in (self.stdout, self.stderr):
            output.thread.join(5)   # a child that lives on may hold the pipe open
            if not output.thread.is_alive():
                output.pipe.close()

    def is_running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.is_running():
            os.kill(self.pid, number)

    def stop(self):
        """SIGSTOP; returns when every thread stands still, which takes a moment after the signal."""
        self.signal(signal.SIGSTOP)
        tasks = f'/proc/{self.pid}/task'

        def stands(task):
            try:
                with open(f'{tasks}/{task}/stat', encoding='ascii') as stat:
                    return stat.read().rsplit(')', 1)[1].split()[0] == 'T'
            except (FileNotFoundError, ProcessLookupError):   # a thread that has just ended
                return False
        eventually(lambda: all(map(stands, os.listdir(tasks))), 5, 'the process to stop')

    def kill(self):
        """Ends it and its children; harmless when it has ended."""
        if self.is_running():
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.wait()
        self.close()

    def sanitizer_report(self):
        match = SANITIZER_REPORT.search(self.stderr.text())
        return self.stderr.text()[max(0, match.start() - 200):] if match else None


# Sleeps all the time, and says for each line that it reads how much longer than it wanted since the last: in all, and once at most.
SLEEPER = '''
import select, sys, time
late, worst, began = 0.0, 0.0, time.monotonic()
print('ready', flush=True)
while True:
    asked = select.select([0], [], [], 0.002)[0]
    now = time.monotonic()
    added, began = (now - began - 0.002 if now - began > 0.003 else 0.0), now
    late, worst = late + added, max(worst, added)
    if asked:
        if not sys.stdin.readline():
            break
        print(f'late {late:.6f} once {worst:.6f}', flush=True)
        late = worst = 0.0
'''


class Sleeper(Process):
    """What a busy machine adds to whatever takes time: a process that does nothing but sleep is woken late, and so is everybody else."""

    def __init__(self):
        super().__init__([sys.executable, '-c', SLEEPER], name='sleeper')
        self.expect('^ready$')
        self.worst = 0.0
        self.late()

    def late(self):
        """By how many seconds in all since it was asked before; worst: once at most, meanwhile."""
        self.send('\n')
        match = self.expect(r'^late ([\d.]+) once ([\d.]+)$')
        self.worst = float(match.group(2))
        return float(match.group(1))


class Within:
    """with Within(1, 'the calls end'): what is done there takes no more than a second, and what the machine adds to that."""

    LATE = 3   # processes that wait for each other, at most, each of which is woken late

    def __init__(self, seconds, what):
        self.seconds, self.what = seconds * PATIENCE, what
        self.sleeper = self.begin = self.took = self.late = None

    def __enter__(self):
        self.sleeper = Sleeper()
        self.begin = time.monotonic()
        return self

    def __exit__(self, kind, _value, _traceback):
        self.took = time.monotonic() - self.begin
        try:
            self.late = 0 if kind else self.sleeper.late()
        finally:
            self.sleeper.kill()
        if not kind and self.took > self.seconds + self.LATE * self.late:
            raise Failure(f'{self.what}: not within {self.seconds} s but after {self.took:.3f} s, while somebody who only slept was woken '
                          f'{self.late:.3f} s late in all')
