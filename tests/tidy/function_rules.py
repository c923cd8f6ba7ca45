# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions that do not fit on a screen. C and C++ by counting braces, Python by its own parser."""

import ast
import re

LIMIT = 70

DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.MULTILINE)
TYPE = re.compile(r'\b(?:class|struct|union|enum)\b(?P<rest>.*)', re.DOTALL)
ATTRIBUTE = re.compile(r'\[\[.*?\]\]|alignas\s*\([^)]*\)|__attribute__\s*\(\(.*?\)\)', re.DOTALL)
NAME = re.compile(r'(operator\s*[^\s(]+|[~\w:]+)\s*\(')
# A doctest case is a list of statements about one subject; its length says nothing.
CASES = ('TEST_CASE', 'TEST_SUITE', 'SCENARIO')


class Scope:
    def __init__(self, kind, head, start, name=''):
        self.kind, self.head, self.start, self.name = kind, head, start, name


def classify(head):
    """What a brace opens, from the text between the last statement and the brace: 'outer', 'function' or 'data'."""
    head = ATTRIBUTE.sub(' ', head)
    if re.search(r'\bnamespace\b|\bextern\s*""\s*$', head):
        return 'outer'
    type_head = TYPE.search(re.sub(r'template\s*<[^{;]*?>\s*(?=class|struct|union)', ' ', head))
    if type_head and '(' not in type_head.group('rest'):
        return 'outer'
    before_parameters = head.split('(', 1)[0]
    if '(' in head and ('=' not in before_parameters or 'operator' in before_parameters):
        return 'function'
    return 'data'


def functions(code):
    """(name, first line, last line) of each function outside of other functions."""
    code = DIRECTIVE.sub(lambda match: re.sub(r'[^\n]', ' ', match.group()), code)
    stack, head_start, parentheses, depth_in_parentheses, position = [], 0, 0, 0, 0
    line_of = lambda offset: code.count('\n', 0, offset) + 1
    for position, char in enumerate(code):
        if char in '()':
            parentheses += 1 if char == '(' else -1
        elif parentheses > 0 and not any(scope.kind == 'function' for scope in stack):
            continue   # a default argument's braces
        elif char == '{':
            inside = stack and stack[-1].kind in ('function', 'data', 'body')
            head = code[head_start:position]
            kind = 'body' if inside else classify(head)
            first = head_start + len(head) - len(head.lstrip())
            match = NAME.search(ATTRIBUTE.sub(' ', head))
            stack.append(Scope(kind, head_start, first, match.group(1) if match else '?'))
            if not inside:
                head_start = position + 1
        elif char == '}' and stack:
            scope = stack.pop()
            following = re.compile(r'\s*(.?)', re.DOTALL).match(code, position + 1).group(1)
            if scope.kind in ('function', 'data') and following in (',', '{', ')'):
                head_start = scope.head   # a member's initialiser: the function's body comes yet
                continue
            if scope.kind == 'function':
                yield scope.name, line_of(scope.start), line_of(position)
            if scope.kind != 'body':
                head_start = position + 1
        elif char == ';' and not any(scope.kind in ('function', 'data', 'body') for scope in stack):
            head_start = position + 1
        elif char == ':' and re.search(r'\b(?:public|private|protected)\s*\Z', code[head_start:position]):
            head_start = position + 1


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno


def check(source):
    if source.in_folder('subprojects') or source.is_data:
        return
    if source.is_c:
        found = functions(source.code)
    elif source.is_python:
        try:
            found = list(python_functions(source.text))
        except SyntaxError as error:
            yield error.lineno or 1, f'not valid Python: {error.msg}'
            return
    else:
        return
    for name, first, last in found:
        if last - first + 1 > LIMIT and not name.startswith(CASES):
            yield first, f'function {name} has {last - first + 1} lines, at most {LIMIT}'
