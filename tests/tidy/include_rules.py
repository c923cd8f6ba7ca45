# SPDX-License-Identifier: GPL-3.0-or-later
"""Include arrows point downwards only, and only kernel/platform/linux knows the operating system."""

import posixpath
import re

# From the bottom to the top; a layer may include itself and everything below it.
CHAIN = ['base', 'platform', 'ke', 'mm', 'ob', 'se', 'io']
# Above the chain, beside one another, with the arrows between them. The parsers (url, http1) are pure functions of bytes: nothing but base.
SIBLINGS = {'net': CHAIN, 'tls': CHAIN + ['net'], 'cm': CHAIN + ['net', 'tls'], 'url': ['base'], 'http1': ['base', 'url'],
            'ns': CHAIN + ['net', 'url']}
TOP = ['queue', 'http', 'main']


def layers():
    allowed = {layer: set(CHAIN[:position + 1]) for position, layer in enumerate(CHAIN)}
    allowed.update({layer: {layer, *below} for layer, below in SIBLINGS.items()})
    for position, layer in enumerate(TOP):
        allowed[layer] = {*CHAIN, *SIBLINGS, *TOP[:position + 1]}
    return allowed


LAYERS = layers()

# Sockets, files, clock, random numbers, signals, threads by the system's own names.
SYSTEM = re.compile(r'''(?: (?:sys|linux|netinet|arpa|net|asm)/.+ | liburing(?:/.+)?\.h
    | (?:unistd|fcntl|poll|signal|pthread|sched|netdb|dirent|dlfcn|spawn|pwd|grp|ifaddrs|syslog|seccomp|cap-ng|errno|ucontext)\.h
    | csignal | cerrno | chrono | random | fstream | filesystem | iostream )\Z''', re.VERBOSE)
SYSTEM_FOLDER = 'kernel/platform/linux/'
# Exceptions, each with its reason.
SYSTEM_ALLOWED = {
    # inet_pton and inet_ntop are pure functions of bytes.
    'kernel/base/ip_address.cpp': {'arpa/inet.h'},
    # getauxval only reads what the process was started with; the simulator's randomness would have to differ between seeds for it.
    'kernel/ns/path_hash.cpp': {'sys/auxv.h'},
}

WOLFSSL = re.compile(r'(?:wolfssl/.+|httpsys_wolfssl\.h)\Z')

WORDS_OF_HTTPSYSCTL = {'kernel/base/text.h', 'kernel/cm/grammar.h', 'kernel/limits.h'}

RING_HEADERS = {'abi.h', 'control.h', 'layout.h', 'ops.h', 'ops.def', 'request.h', 'response.h', 'ring.h', 'ring_inline.h', 'status.h'}
FREESTANDING = {'stdint.h', 'stddef.h'}
# http.h, windows.h and their companions name the addresses of sockets, which are the system's own structures.
API_SYSTEM = FREESTANDING | {'stdarg.h', 'limits.h', 'wchar.h', 'uchar.h', 'string.h', 'sys/socket.h', 'netinet/in.h'}

# "No dependency beyond libc and libstdc++."
NOT_IN_LIB = re.compile(r'(?:liburing|wolfssl/|httpsys_wolfssl|fmt/|toml\+\+|doctest/|nghttp2/|seccomp\.h|cap-ng\.h).*')


def check(source, exists):
    """exists(path): whether the project has that file. Yields (line number, text)."""
    if not source.is_c or source.in_folder('subprojects'):
        return
    folder = source.path.split('/')[0]
    rule = {'kernel': kernel_include, 'lib': lib_include, 'uapi': uapi_include, 'tools': tools_include}.get(folder)
    for number, bracket, name in source.includes():
        target = resolve(source, bracket, name, exists)
        if bracket == '"' and target is None:
            yield number, f'"{name}" is no file: includes name a path from the root of the project'
        elif rule:
            for text in rule(source, target, name, exists):
                yield number, text


def resolve(source, bracket, name, exists):
    """The project's file that an include means, or None. Public headers lie beside each other, as they are installed."""
    if bracket == '"' and exists(name):
        return name
    beside = posixpath.join(posixpath.dirname(source.path), name)
    public = source.in_folder('uapi', 'lib') and source.is_header and source.name not in RING_HEADERS
    return beside if public and exists(beside) else None


def kernel_include(source, target, name, _exists):
    own = source.path.split('/')[1]
    if target is None:
        allowed = SYSTEM_ALLOWED.get(source.path, set())
        if SYSTEM.match(name) and not source.path.startswith(SYSTEM_FOLDER) and name not in allowed:
            yield (f'<{name}>: only {SYSTEM_FOLDER} talks to the operating system'
                   ' (a pure function may be allowed in tests/tidy/include_rules.py, with its reason)')
        if WOLFSSL.match(name) and own != 'tls':
            yield f'<{name}>: only kernel/tls knows wolfSSL'
        return
    parts = target.split('/')
    if parts[0] == 'uapi':
        if parts[1] not in RING_HEADERS:
            yield f'{target}: the Windows API belongs to applications, not to the daemon'
    elif parts[0] != 'kernel':
        yield f'{target}: the kernel includes nothing of {parts[0]}/'
    elif own == 'limits.h':
        yield f'{target}: limits.h is included by every layer and includes none'
    elif parts[1] == 'limits.h':
        return
    elif own not in LAYERS:
        yield f'kernel/{own} is not in the layer table of tests/tidy/include_rules.py'
    elif parts[1] not in LAYERS[own]:
        yield f'{target}: arrow points upwards, kernel/{own} may include {", ".join(sorted(LAYERS[own]))}'


def lib_include(_source, target, name, _exists):
    if target is None:
        if NOT_IN_LIB.match(name):
            yield f'<{name}>: lib needs nothing but libc and libstdc++'
    elif target.split('/')[0] not in ('lib', 'uapi'):
        yield f'{target}: lib includes lib/ and uapi/ only'


def uapi_include(source, target, name, exists):
    is_ring = source.name in RING_HEADERS
    if target is None:
        if name not in (FREESTANDING if is_ring else API_SYSTEM) and not exists(f'uapi/{name}'):
            yield f'<{name}>: not one of the headers that uapi may include'
    elif target.split('/')[0] != 'uapi' or (is_ring and target.split('/')[1] not in RING_HEADERS):
        yield f'{target}: {"the ring ABI includes itself only" if is_ring else "uapi includes uapi/ only"}'


def tools_include(source, target, name, _exists):
    # Benchmarks and fuzzers measure and feed the daemon's parts themselves; httpsysctl shares pure functions of words with it.
    if target and target.startswith('kernel/') and not source.in_folder('tools/bench', 'tools/fuzz') and not (
            source.in_folder('tools/httpsysctl') and target in WORDS_OF_HTTPSYSCTL):
        yield f'{target}: tools include lib/ and uapi/, never the daemon'
