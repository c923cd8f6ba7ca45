# SPDX-License-Identifier: GPL-3.0-or-later
"""A file as the rules see it: its text, and for C and C++ the same text with comments and literals blanked out."""

import os
import re

C_ENDINGS = {'.h', '.c', '.cpp', '.def', '.S'}
# Data keeps whatever lines, blanks and words it has. Everything else must be readable text with a licence line.
DATA_ENDINGS = {'.csv', '.pem', '.crt', '.key', '.der', '.bin', '.json', '.txt', '.patch', '.raw', '.http'}
NOT_DATA = {'meson_options.txt'}

# In this order: comments, raw strings, strings, characters (not the separator of 1'000'000).
TOKEN = re.compile(r'''
    (?P<comment>//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z))
  | (?P<raw>R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)")
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<character>(?:(?<![0-9a-fA-F_])|(?<=\bu8))'(?:\\.|[^'\\\n])+')
''', re.VERBOSE | re.DOTALL)


def blank(text):
    """Blanks in place of the text, lines kept, so that offsets and line numbers stay what they are."""
    return re.sub(r'[^\n]', ' ', text)


def code_of(text):
    """Comments become blanks, literals become "" and blanks."""
    return TOKEN.sub(lambda match: blank(match.group()) if match.group('comment') else '""' + blank(match.group()[2:]), text)


class Source:
    """path: relative to the project's root, with forward slashes."""

    def __init__(self, path, content):
        self.path = path
        self.name = os.path.basename(path)
        ending = os.path.splitext(path)[1]
        self.is_binary = isinstance(content, bytes) and b'\0' in content
        if isinstance(content, bytes):
            content = content.decode('utf-8', 'replace')
        self.text = content
        self.lines = content.split('\n')
        if self.lines[-1] == '':
            self.lines.pop()
        self.is_c = ending in C_ENDINGS
        self.is_header = ending == '.h'
        self.is_markdown = ending == '.md'
        self.is_python = ending == '.py' or self.text.startswith('#!/usr/bin/env python3')
        self.is_shell = ending == '.sh' or bool(re.match(r'#!.*\b(ba)?sh\b', self.text))
        self.is_meson = self.name in ('meson.build', 'meson_options.txt')
        folders = path.split('/')[:-1]
        self.is_data = (self.is_binary or (ending in DATA_ENDINGS and self.name not in NOT_DATA) or 'corpus' in folders
                        or folders[:1] == ['LICENSES'] or path == 'LICENSE')
        self.code = code_of(content) if self.is_c else content

    def in_folder(self, *folders):
        return any(self.path.startswith(folder + '/') for folder in folders)

    def includes(self):
        """(line number, opening bracket or quote, name) of each #include that is not in a comment."""
        pattern = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
        for number, (line, code) in enumerate(zip(self.lines, self.code.split('\n')), 1):
            match = pattern.match(line)
            if match and '#' in code:
                yield number, match.group(1), match.group(2)
