# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker had received when it was killed, exactly: it hands the memory of its channel to the test while it lives (witness.c), and
there it stands what the library had published (cq_head), whatever the worker itself had come to do about it."""

import contextlib
import os
import socket
import struct
from typing import NamedTuple

# uapi/ring.h, uapi/request.h
GEOMETRY = struct.Struct('=QIIQQQIIIIQQQQQQQQQ')
CQ_TAIL, CQ_HEAD = 384, 128
ENTRY = struct.Struct('=QIIQQIIIIQQ')
BLOCK, REASON = 1, 2
REQUEST_ID, RAW_URL = 16, 72
NOTE = struct.Struct('=Q56s')   # witness.h


class Account(NamedTuple):
    """Of a worker that is dead. Paths by the ids of requests; None where another request has come into the place of the first."""
    received: dict   # before cq_head: taken by the library for the worker
    offered: dict    # at or beyond cq_head: another worker's by now
    noted: dict      # by the worker, once it had the request in its own hands
    is_whole: bool = True   # else it lived longer than its ring is long, and the first two are empty


class Witness:
    """One for each worker: environment and pass_fds are for its start; then seal(), and after its death account()."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pass_fds = (self.theirs.fileno(),)
        self.environment = {'HTTPSYS_WITNESS': str(self.theirs.fileno())}

    def seal(self):
        """The worker runs: the test's own copy of its end goes."""
        self.theirs.close()

    @contextlib.contextmanager
    def files(self):
        """Descriptors by name."""
        result = {}
        try:
            while True:
                _data, numbers, _flags, _address = socket.recv_fds(self.ours, 1, 1)
                if not numbers:   # it has ended
                    break
                name = os.readlink(f'/proc/self/fd/{numbers[0]}').split(' ')[0].rpartition(':')[2].rpartition('-')[2]
                result[name] = numbers[0]
            yield result
        finally:
            self.ours.close()
            for number in result.values():
                os.close(number)

    def account(self):
        with self.files() as files:
            if 'utok' not in files:   # killed before it had a channel
                return Account({}, {}, {})
            return self.read(files['ktou'], files['utok'], files['notes'])

    def read(self, ktou, utok, notes):
        geometry = GEOMETRY.unpack(os.pread(ktou, GEOMETRY.size, 0))
        entries, cq_offset, rx_offset = geometry[7], geometry[12], geometry[13]
        tail, = struct.unpack('=I', os.pread(ktou, 4, CQ_TAIL))
        head, = struct.unpack('=I', os.pread(utok, 4, CQ_HEAD))
        if tail > entries:
            return Account({}, {}, self.read_notes(notes), False)
        received, offered = {}, {}
        for index, entry in enumerate(ENTRY.iter_unpack(os.pread(ktou, tail * ENTRY.size, cq_offset))):
            _user, _irp, status, _information, request, offset, length, _block, flags, connection, _reserved = entry
            # Of all that these workers call only a receive completes with a connection's id.
            if status == 0 and connection and flags == BLOCK:
                path = self.path_of(os.pread(ktou, length, rx_offset + offset), request)
                (received if index < head else offered)[request] = path
        return Account(received, offered, self.read_notes(notes))

    @staticmethod
    def read_notes(notes):
        count, _path = NOTE.unpack(os.pread(notes, NOTE.size, 0))
        return {request: path.rstrip(b'\0').decode()
                for request, path in NOTE.iter_unpack(os.pread(notes, (count - 1) * NOTE.size, NOTE.size)) if request}

    @staticmethod
    def path_of(image, request):
        if struct.unpack_from('=Q', image, REQUEST_ID) != (request,):
            return None
        offset, length = struct.unpack_from('=II', image, RAW_URL)
        return image[offset:offset + length].decode()
