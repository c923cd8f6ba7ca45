# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that look at one file's lines: layout, licence, header guards, words."""

import re

LINE_LIMIT = 140
FILE_LIMIT = 600
TEST_FILE_LIMIT = 1000

GPL, MIT = 'GPL-3.0-or-later', 'MIT'
# Longest folder first. Packagefiles of a wrap follow the licence of what they build.
LICENCES = [('subprojects/', (GPL, MIT)), ('uapi/', (MIT,)), ('lib/', (MIT,)),
            # Samples and the benchmark's application are there to be copied into programs; other benchmarks include the daemon's parts.
            ('tools/samples/', (MIT,)), ('tools/bench/', (GPL, MIT)), ('', (GPL,))]

# Put together here, so that this file does not break its own rule.
MARKERS = re.compile(r'\b(?:' + '|'.join(['TO' + 'DO', 'FIX' + 'ME', 'X' * 3, 'HA' + 'CK']) + r')\b')

TOP_LEVEL = {'meson.build', 'meson_options.txt', 'kernel', 'uapi', 'lib', 'tools', 'tests', 'subprojects', 'README.md', 'DESIGN.md',
             'HACKING.md', 'SECURITY.md', 'CHANGELOG.md', 'LICENSE', 'LICENSES'}

# What these files handle comes from a client process or from the network: it is refused, never asserted. What does not is said to be
# "the daemon's own" in a comment on the same line or the one above.
FROM_OUTSIDE = re.compile(r'kernel/mm/uaccess[^/]*\Z|kernel/http1/|kernel/url/')
# Who may name the client-writable page.
UPAGE_ALLOWED = re.compile(r'kernel/mm/|kernel/io/channel[^/]*\Z|kernel/io/[^/]*ring[^/]*\Z|tools/fuzz/|(?!kernel/|tools/)')


def layout(source):
    if source.is_data:
        return
    if source.text and not source.text.endswith('\n'):
        yield len(source.lines), 'no newline at the end of the file'
    for number, line in enumerate(source.lines, 1):
        if '\r' in line:
            yield number, 'carriage return'
        elif line != line.rstrip():
            yield number, 'blanks at the end of the line'
        if '\t' in line:
            yield number, 'tab'
        if len(line) > LINE_LIMIT and not source.is_markdown:
            yield number, f'line of {len(line)} characters, at most {LINE_LIMIT}'


def merge_conflict(source):
    if source.is_data:
        return
    for number, line in enumerate(source.lines, 1):
        if re.match(r'(<{7}|={7}|>{7})( |\Z)', line):
            yield number, 'what a merge has left'


def file_length(source):
    if not (source.is_c or source.is_python or source.is_shell or source.is_meson) or source.is_data or source.in_folder('subprojects'):
        return
    limit = TEST_FILE_LIMIT if source.in_folder('tests') else FILE_LIMIT
    if len(source.lines) > limit:
        yield limit + 1, f'file of {len(source.lines)} lines, at most {limit}'


def licence(source):
    if source.is_data:
        return
    number = 2 if source.text.startswith('#!') else 1
    line = source.lines[number - 1] if len(source.lines) >= number else ''
    match = re.search(r'SPDX-License-Identifier: (\S+)', line)
    if not match:
        yield number, 'no SPDX-License-Identifier in the first line'
        return
    wanted = next(licences for folder, licences in LICENCES if source.path.startswith(folder))
    if match.group(1) not in wanted:
        yield number, f'licence {match.group(1)}, in this folder {" or ".join(wanted)}'


def header(source):
    """Guards, and the abstract that says what the file is."""
    if not source.is_header:
        return
    directives = re.findall(r'^[ ]*#[ ]*(.*\S)', source.code, re.MULTILINE)
    guard = re.fullmatch(r'ifndef (\w+)', directives[0]) if directives else None
    guarded = bool(guard and len(directives) > 2 and directives[1] == f'define {guard.group(1)}' and directives[-1].startswith('endif'))
    if 'pragma once' not in directives[:1] and not guarded:
        yield 1, 'neither #pragma once nor an include guard comes first'
    elif source.in_folder('uapi') and not guarded:
        yield 1, 'a header for C needs an include guard'
    second = source.lines[1] if len(source.lines) > 1 else ''
    if not source.in_folder('subprojects') and not second.lstrip().startswith(('//', '/*', '*')):
        yield 2, 'no abstract (what it is, which core owns it, how long it lives) below the licence line'


def words(source):
    if source.is_data:
        return
    for number, line in enumerate(source.lines, 1):
        match = MARKERS.search(line)
        if match:
            yield number, f'{match.group()}: finish it, or say in the README what does not exist yet'
    if not source.is_c:
        return
    for number, line in enumerate(source.code.split('\n'), 1):
        if FROM_OUTSIDE.match(source.path) and re.search(r'\b(?:VERIFY|MUST)\s*\(', line):
            if not any("daemon's own" in near for near in source.lines[max(0, number - 2):number]):
                yield number, 'VERIFY where a client or a network peer controls the bytes: refuse them'
        if re.search(r'\bhsys_upage\b', line) and not UPAGE_ALLOWED.match(source.path):
            yield number, 'hsys_upage: client-writable memory is read through kernel/mm/uaccess'


def top_level(source):
    name = source.path.split('/')[0]
    if not name.startswith('.') and name not in TOP_LEVEL:
        yield 1, f'{name} has no place at the top of the project'


RULES = [layout, merge_conflict, file_length, licence, header, words, top_level]
