# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients that tests visit the daemon with: curl, openssl s_client, gnutls-cli and Python's ssl. Each is a real peer with its own idea
of TLS; all trust the tests' CA, and none waits for ever.

version is '1.2' or '1.3', or None for the client's own choice; credential is what it presents when it is asked (certificates.py)."""

import dataclasses
import socket
import ssl

from processes import WAIT, Process

TIME_LIMIT = 30


@dataclasses.dataclass
class Response:
    status: int
    reason: str
    headers: list   # (name, value), as sent
    body: bytes

    def header(self, name):
        """All values of the field, joined; None when it is missing."""
        values = [value for field, value in self.headers if field.lower() == name.lower()]
        return ', '.join(values) if values else None


def parse_head(head):
    """The bytes up to and without the empty line."""
    lines = head.decode('latin-1').split('\r\n')
    _version, status, *reason = lines[0].split(' ', 2)
    fields = [(name, value.strip()) for name, _colon, value in (line.partition(':') for line in lines[1:])]
    return Response(int(status), ' '.join(reason), fields, b'')


def read_response(read, method='GET'):
    """One final response; read(n) gives up to n bytes and b'' at the end. Interim responses are skipped."""
    data = bytearray()   # bytes would be copied for each part of a large body

    def more(wanted):
        part = read(wanted)
        if not part:
            raise EOFError(f'the connection ended in the middle of a response: {bytes(data)!r}')
        data.extend(part)

    def take_until(mark):
        nonlocal data
        while mark not in data:
            more(65536)
        part, data = data.split(mark, 1)
        return bytes(part)

    def take(count):
        while len(data) < count:
            more(65536)
        part = bytes(data[:count])
        del data[:count]
        return part

    response = parse_head(take_until(b'\r\n\r\n'))
    while response.status < 200 and response.status != 101:
        response = parse_head(take_until(b'\r\n\r\n'))
    length = response.header('Content-Length')
    if method == 'HEAD' or response.status in (101, 204, 304):
        pass
    elif (response.header('Transfer-Encoding') or '').lower() == 'chunked':
        chunks = []
        while True:
            size = int(take_until(b'\r\n').split(b';')[0], 16)
            if size == 0:
                while take_until(b'\r\n'):
                    pass
                break
            chunks.append(take(size))
            if take(2) != b'\r\n':
                raise ValueError('no line end after a chunk')
        response.body = b''.join(chunks)
    elif length is not None:
        response.body = take(int(length))
    else:
        while part := read(65536):
            data.extend(part)
        response.body = take(len(data))
    if data:
        raise ValueError(f'bytes after the response: {bytes(data)!r}')
    return response


def curl(certificates, url, *arguments, version=None, credential=None, limit=TIME_LIMIT):
    """Runs curl to its end: an ended Process, with .status (judged by the caller) and .response (None when there was none)."""
    command = ['curl', '--silent', '--show-error', '--include', '--http1.1', '--noproxy', '*', '--cacert', certificates.ca]
    if version:
        command += [f'--tlsv{version}', '--tls-max', version]
    if credential:
        command += ['--cert', credential.chain, '--key', credential.key]
    process = Process([*command, *arguments, url], limit=limit, name='curl')
    process.close_stdin()
    process.status = process.wait(limit + 5)
    data = process.stdout.data
    while data.startswith(b'HTTP/1.1 1'):   # interim responses
        data = data.split(b'\r\n\r\n', 1)[1]
    process.response = None
    if b'\r\n\r\n' in data:
        head, body = data.split(b'\r\n\r\n', 1)
        process.response = parse_head(head)
        process.response.body = body   # curl has taken the chunks apart
    return process


def s_client(certificates, port, *arguments, version=None, credential=None, post_handshake=False, name='localhost',
             address='127.0.0.1', limit=TIME_LIMIT):
    """A running s_client: send() requests, expect() responses. -quiet keeps it from taking lines of the request as its own commands, and
    -no_ign_eof lets it end when stdin does, which -quiet alone forbids."""
    bracketed = f'[{address}]' if ':' in address else address
    command = ['openssl', 's_client', '-connect', f'{bracketed}:{port}', '-servername', name, '-quiet', '-no_ign_eof',
               '-CAfile', certificates.ca, '-verify_return_error']
    if version:
        command += ['-tls' + version.replace('.', '_')]
    if credential:
        command += ['-cert', credential.certificate, '-key', credential.key, '-cert_chain', credential.chain]
    if post_handshake:
        command += ['-enable_pha']
    return Process([*command, *arguments], limit=limit, name='s_client')


def gnutls_cli(certificates, port, *arguments, version=None, credential=None, post_handshake=False, name='localhost',
               address='127.0.0.1', log=None, limit=TIME_LIMIT):
    """A running gnutls-cli. Its own messages go to the file `log`, so that stdout has the server's bytes alone."""
    command = ['gnutls-cli', '--port', str(port), '--x509cafile', certificates.ca, '--sni-hostname', name, '--verify-hostname', name,
               '--logfile', log or '/dev/null']
    if version:
        command += ['--priority', f'NORMAL:-VERS-ALL:+VERS-TLS{version}']
    if credential:
        command += ['--x509certfile', credential.chain, '--x509keyfile', credential.key]
    if post_handshake:
        command += ['--post-handshake-auth']
    return Process([*command, *arguments, address], limit=limit, name='gnutls-cli')


def tls_context(certificates, version=None, credential=None, post_handshake=False):
    context = ssl.create_default_context(cafile=certificates.ca)
    if version:
        context.minimum_version = context.maximum_version = {'1.2': ssl.TLSVersion.TLSv1_2, '1.3': ssl.TLSVersion.TLSv1_3}[version]
    if credential:
        context.load_cert_chain(credential.chain, credential.key)
    context.post_handshake_auth = post_handshake
    return context


class Connection:
    """A connection of this process, plain or with Python's ssl, for requests byte by byte. Closes with the `with` statement."""

    def __init__(self, port, context=None, name='localhost', address='127.0.0.1', limit=TIME_LIMIT):
        self.socket = socket.create_connection((address, port), timeout=limit * WAIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def send(self, data):
        self.socket.sendall(data.encode('latin-1') if isinstance(data, str) else data)

    def response(self, method='GET'):
        return read_response(self.socket.recv, method)

    def get(self, path, host='localhost', fields='', method='GET'):
        self.send(f'{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n')
        return self.response(method)

    def is_closed_by_peer(self):
        """Waits for the end of the connection; False when bytes come instead."""
        try:
            return self.socket.recv(1) == b''
        except (ConnectionResetError, ssl.SSLError):
            return True

    def reset(self):
        """Vanishes: RST instead of an orderly end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        self.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()
