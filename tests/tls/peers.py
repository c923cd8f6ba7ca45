# SPDX-License-Identifier: GPL-3.0-or-later
"""The server under test and the clients that visit it. Every wait has an end; every program runs under `timeout`."""
import os
import queue
import re
import select
import signal
import socket
import ssl
import subprocess
import threading
import time

SERVER = os.environ["HTTPSYS_TLS_SERVER"]
PKI = os.environ["HTTPSYS_TEST_PKI"]
PATIENCE = 60   # seconds; a sanitizer build on a busy machine is slow


def pki(name):
    return os.path.join(PKI, name)


class Lines:
    """Lines that a program prints, collected by a thread."""

    def __init__(self, stream):
        self.queue, self.seen, self.stream = queue.Queue(), [], stream
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self):
        for line in self.stream:
            self.queue.put(line.decode(errors="replace").rstrip("\r\n"))
        self.queue.put(None)

    def close(self):
        """When the program has ended. A stream that the thread still reads cannot be closed."""
        self.thread.join(PATIENCE)
        if not self.thread.is_alive():
            self.stream.close()

    def wait(self, pattern, seconds=PATIENCE):
        """The next line that the pattern matches; lines before it are passed over. Fails the test when none comes."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.queue.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line with {pattern!r} in:\n" + "\n".join(self.seen[-30:]))
            self.seen.append(line)
            if re.search(pattern, line):
                return line

    def none(self, pattern, seconds):
        """Waits, and fails if such a line comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                line = self.queue.get(timeout=left)
            except queue.Empty:
                return
            if line is None:
                return
            self.seen.append(line)
            if re.search(pattern, line):
                raise AssertionError(f"unexpected: {line}")


class Program:
    goodbye = 0.2   # seconds that it may take to end by itself

    def __init__(self, *command, merge=True):
        self.process = subprocess.Popen(["timeout", "180", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT if merge else subprocess.PIPE, cwd=PKI,
                                        start_new_session=True)
        self.lines = Lines(self.process.stdout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The end of its input ends every program here, the server without losing what a leak checker has to say.
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(self.goodbye)
        except subprocess.TimeoutExpired:
            # Both: a timeout that is told to end right after its start does not know its child yet, and leaves it behind.
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()
        self.lines.close()

    def send(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def ask(self, text, pattern):
        self.send(text + "\n")
        return self.lines.wait(pattern)


class Server(Program):
    """The default is certificate `server`, root as CA, root.crl as revocation list."""
    goodbye = PATIENCE   # a leak checker takes its time

    def __init__(self, *options, cert="server", crl="root.crl"):
        lists = ["--crl", pki(crl)] if crl else []
        super().__init__(SERVER, "--cert", pki(cert + ".pem"), "--key", pki(cert + ".key"), "--ca", pki("root.crt"), *lists, *options,
                         merge=False)
        # What a sanitizer says must be seen, and must not block the program.
        self.errors = Lines(self.process.stderr)
        self.port = int(self.lines.wait("^port ").split()[1])

    def __exit__(self, *exc):
        crashed = self.process.poll()
        super().__exit__(*exc)
        self.errors.none(".", 1)
        self.errors.close()
        if crashed is not None or self.process.returncode != 0:
            raise AssertionError(f"the server ended with {crashed or self.process.returncode}")


class Gate:
    """A relay that can hold back what the server says."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target = self.listener.getsockname()[1], port
        self.is_open, self.held, self.from_client = threading.Event(), threading.Event(), 0
        self.is_open.set()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        self.held.clear()
        self.is_open.clear()

    def open(self):
        self.is_open.set()

    def _run(self):
        with self.listener:
            client, _ = self.listener.accept()
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            upwards = threading.Thread(target=self._upwards, args=(client, server), daemon=True)
            upwards.start()
            try:
                while data := server.recv(65536):
                    self.held.set()
                    self.is_open.wait()
                    client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            upwards.join(PATIENCE)

    def _upwards(self, client, server):
        try:
            while data := client.recv(65536):
                self.from_client += len(data)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def s_client(port, version, *options, cert=None, quiet=True):
    """openssl s_client; version '1.2' or '1.3'."""
    identity = ["-cert", cert + ".crt", "-key", cert + ".key"] if cert else []
    if cert and os.path.exists(pki(cert + ".chain")):
        identity += ["-cert_chain", cert + ".chain"]
    return Program("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls" + version.replace(".", "_"), "-CAfile", "root.crt",
                   *(["-quiet", "-no_ign_eof"] if quiet else []), *identity, *options)


def gnutls(port, version, *options, cert=None, priority=""):
    identity = ["--x509certfile", cert + ".pem", "--x509keyfile", cert + ".key"] if cert else []
    # By address: a machine without /etc/hosts does not know "localhost".
    return Program("gnutls-cli", "--x509cafile", "root.crt", "-p", str(port), "--priority",
                   f"NORMAL:-VERS-ALL:+VERS-TLS{version}{priority}", "--sni-hostname", "localhost", "--verify-hostname", "localhost",
                   *identity, *options, "127.0.0.1")


def curl(port, version, *paths, cert=None, options=()):
    """Returns (exit status, output)."""
    limits = ["--tlsv" + version, "--tls-max", version]
    identity = ["--cert", cert + ".pem", "--key", cert + ".key"] if cert else []
    result = subprocess.run(["timeout", "120", "curl", "-sS", "--noproxy", "*", "--http1.1", "--cacert", "root.crt", *limits, *identity,
                             *options, *[f"https://localhost:{port}{path}" for path in paths]],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=PKI, check=False)
    return result.returncode, result.stdout.decode()


def context_for(version, cert=None, pha=True, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki("root.crt"))
    context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    context.post_handshake_auth = pha
    if cert:
        context.load_cert_chain(pki(cert + ".pem"), pki(cert + ".key"))
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class Client:
    """Python's ssl, with lines."""

    def __init__(self, port, version=None, cert=None, context=None, name="localhost", session=None, **options):
        context = context or context_for(version, cert, **options)
        plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        try:
            self.socket = context.wrap_socket(plain, server_hostname=name, session=session)
        except BaseException:
            plain.close()
            raise
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def line(self):
        parts = [self.buffer]   # a line may have megabytes
        while b"\n" not in parts[-1]:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(b"".join(parts))
            parts.append(data)
        line, self.buffer = b"".join(parts).split(b"\n", 1)
        return line.decode()

    def ask(self, text):
        self.send(text + "\n")
        return self.line()


def raw(port, data, seconds=PATIENCE):
    """Sends bytes and returns all that the server answers until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        while select.select([connection], [], [], seconds)[0]:
            more = connection.recv(65536)
            if not more:
                return answer
            answer += more
        raise AssertionError(f"the server does not close after {answer!r}")
