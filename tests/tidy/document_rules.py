# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents say about the project and can be looked up in it."""

import posixpath
import re

HEADER = 'lib/include/http.h'
README = 'README.md'
COMMANDS = ['tools/demo', 'tools/test']
STATES = re.compile(r'works\Z|partly: .|not yet')

PROTOTYPE = re.compile(r'^HTTPAPI_LINKAGE\s+\w+\s+WINAPI\s+(\w+)\(', re.MULTILINE)
ROW = re.compile(r'^\| `(Http\w+)` \| (.*?) \|$', re.MULTILINE)
LINK = re.compile(r'\[[^\]]*\]\(([^)#:\s]+)(?:#[^)]*)?\)')


def check(sources):
    """sources: Source by path. Yields (path, line, text)."""
    for path, source in sources.items():
        if source.is_markdown:
            for number, line in enumerate(source.lines, 1):
                for target in LINK.findall(line):
                    if posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) not in sources:
                        yield path, number, f'link to {target}, which is no file'
    if README not in sources or HEADER not in sources:
        return
    text = sources[README].text
    places = [text.find(command) for command in COMMANDS]
    if -1 in places or places != sorted(places):
        yield README, 1, f'the first commands are {" and ".join(COMMANDS)}, in this order'
    rows = ROW.findall(text)
    functions = PROTOTYPE.findall(sources[HEADER].text)
    for name in functions:
        count = sum(row == name for row, _state in rows)
        if count != 1:
            yield README, 1, f'{name} has {count} rows in the table of functions'
    for name, state in rows:
        if name not in functions:
            yield README, 1, f'{name} is no function of {HEADER}'
        elif not STATES.match(state):
            yield README, 1, f'{name}: its state is "works", "partly: ..." or "not yet", not "{state}"'
