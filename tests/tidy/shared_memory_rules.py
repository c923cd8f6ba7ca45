# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust rule T4. Structures of uapi/ have members of fixed width only, no pointers, and each is named below among those that clients fill
or those that the daemon fills. In the daemon, what a client writes into one of those that it fills goes into no sum, difference, product,
left shift, divisor or index: it is handed to range_fits() or checked_*() of kernel/base/checked_math.h, compared or copied. Exceptions are
in ALLOWED, each with the check that makes it safe: an operator and its value that are both in such a text.

A value is known by its member's name, through casts and parentheses, and through a local variable that is given nothing else. It is not
followed into functions that get it as an argument: what those do with it is for whoever reads them, and for the harness."""

import re

import function_rules

FOLDERS = ('kernel/io', 'kernel/queue', 'kernel/http', 'kernel/ns', 'kernel/mm', 'kernel/main')

# Each structure of uapi/ is in one of these. Filled by clients, whoever else fills it. Words of hsys_upage are not members to the daemon:
# it reads them by offset (kernel/mm/uaccess).
CLIENTS = {'hsys_upage', 'hsys_sqe', 'hsys_extent', 'hsys_url', 'hsys_queue_name', 'hsys_response', 'hsys_header', 'hsys_send_body',
           'hsys_control', 'hsys_control_hello', 'hsys_control_channel_open', 'hsys_control_admin'}
# Filled by the daemon alone, and not read from where a client could have written since.
DAEMON = {'hsys_kpage', 'hsys_geometry', 'hsys_cqe', 'hsys_text', 'hsys_address', 'hsys_request_header', 'hsys_request', 'hsys_certificate',
          'hsys_control_welcome', 'hsys_control_channel_opened', 'hsys_control_revoked', 'hsys_control_admin_answer', 'hsys_control_stats'}
MEMBERS = {'op', 'flags', 'irp_id', 'user_data', 'handle', 'object_id', 'in_offset', 'in_length', 'out_length', 'op_flags', 'offset',
           'length', 'url_context', 'url_bytes', 'name_bytes', 'size', 'version', 'status_code', 'reason_length', 'reason_offset',
           'header_count', 'header_offset', 'extent_count', 'extent_offset', 'content_bytes', 'id', 'name_length', 'value_length',
           'name_offset', 'value_offset', 'magic', 'type', 'sequence', 'status', 'abi_major', 'minor_min', 'minor_max', 'want', 'need',
           'program', 'head', 'sq_entries', 'cq_entries', 'rx_bytes', 'tx_bytes', 'word_count', 'file_count'}
# Names that the daemon's own structures have, too: they count only where the variable is known to be of a client's structure.
COMMON = {'op', 'flags', 'handle', 'offset', 'length', 'size', 'version', 'id', 'magic', 'type', 'sequence', 'status', 'program', 'head',
          'want', 'need', 'abi_major'}
# Variables that are, wherever they are declared.
KNOWN = {'entry', 'm_entry', 'extent', 'extents'}
# A copy that the daemon has made itself: hsys_geometry.
OWN = {'geometry'}

# (path, the arithmetic as it is written): why it can neither wrap nor leave its place.
ALLOWED = {
    ('kernel/io/channel_layout.cpp', 'geometry.cq_offset + uint64_t{sizes.cq_entries} * sizeof(hsys_cqe)'):
        'choose_sizes() has cut it to HSYS_CQ_ENTRIES_MAX',
    ('kernel/io/channel_layout.cpp', 'geometry.sq_offset + uint64_t{sizes.sq_entries} * sizeof(hsys_sqe)'):
        'choose_sizes() has cut it to HSYS_SQ_ENTRIES_MAX',
    ('kernel/io/channel_submit.cpp', 'copy_in(geometry.tx_offset + entry.in_offset, parameters)'):
        'of 64 bits; check_entry() has asked range_fits() whether the block lies in the arena, and copy_in() does with the whole half',
    ('kernel/io/channel_submit.cpp', 'operations[entry.op]'): 'check_entry() has found its row, so it is an operation of ops.def',
    ('kernel/http/response_block.cpp', 'sum += extent.length'):
        'in 64 bits, of at most HSYS_EXTENTS_MAX numbers of 32; then it is compared',
    ('kernel/http/response_sender.cpp', 'extent.length - current.offset'): 'current.offset counts what was taken of the same extent',
    ('kernel/http/client_certificate.cpp', 'room - structure < data_bytes'): 'asked only where room is not below structure',
}

STRUCTURE = re.compile(r'\b(?P<kind>struct|union|class)\s+(?P<name>\w+)\s*\{')
ANY_STRUCTURE = re.compile(r'\b(?:struct|union|class)\b[^;{}=]*\{')
FIXED = re.compile(r'u?int(?:8|16|32|64)_t\s+\w+(?:\s*\[[^\]]*\])*(?:\s*,\s*\w+(?:\s*\[[^\]]*\])*)*'
                   r'|char\s+\w+\s*\[[^\]]*\]'
                   r'|struct\s+hsys_\w+\s+\w+(?:\s*\[[^\]]*\])*(?:\s*,\s*\w+(?:\s*\[[^\]]*\])*)*'
                   r'|HSYS_WORD\(\w+\)')
NAMES = re.compile(r'(\w+)\s*(?:\[[^\]]*\]\s*)*(?=,|\Z)')


def closing(code, position):
    """Offset of the brace that closes the one at position."""
    depth = 0
    for offset in range(position, len(code)):
        depth += {'{': 1, '}': -1}.get(code[offset], 0)
        if depth == 0:
            return offset
    return len(code)


def without_directives(source):
    return function_rules.DIRECTIVE.sub(lambda match: re.sub(r'[^\n]', ' ', match.group()), source.code)


def structures(source):
    """(name, offset, [(offset, declaration)]) of each structure of a header."""
    code = without_directives(source)
    for match in STRUCTURE.finditer(code):
        begin, end = match.end(), closing(code, match.end() - 1)
        declarations, offset = [], begin
        for text in code[begin:end].split(';'):
            if text.strip():
                declarations.append((offset + len(text) - len(text.lstrip()), ' '.join(text.split())))
            offset += len(text) + 1
        yield match.group('name'), match.start(), declarations


def members(source):
    """Yields (line, text): structures of which is not said who fills them, members that are not of one width everywhere, and members that
    clients write and the rule below knows not."""
    if not source.path.startswith('uapi/') or not source.is_c:
        return
    yield from hidden_structures(source)
    for name, start, declarations in structures(source):
        if (name in CLIENTS) == (name in DAEMON):
            yield source.code.count('\n', 0, start) + 1, \
                f'{name} has to be in one of CLIENTS and DAEMON of tests/tidy/shared_memory_rules.py: who fills it? (T4)'
        for offset, text in declarations:
            number = source.code.count('\n', 0, offset) + 1
            if not FIXED.fullmatch(text):
                yield number, f'{name}: "{text}" is not of fixed width; no pointer, size_t, long, bool or enumeration crosses (T4)'
            elif name in CLIENTS and not text.startswith('HSYS_WORD'):
                for member in NAMES.findall(text):
                    if member not in MEMBERS and not re.fullmatch(r'reserved\d', member):
                        yield number, f'{name}: {member} is not in MEMBERS of tests/tidy/shared_memory_rules.py'


def hidden_structures(source):
    """Those that structures() does not see: without a name of their own, under another name, made by a macro."""
    code, line_of = without_directives(source), lambda offset: source.code.count('\n', 0, offset) + 1
    for match in re.finditer(r'\btypedef\b', code):
        yield line_of(match.start()), 'typedef in uapi/: a structure has one name, its tag (T4)'
    for match in ANY_STRUCTURE.finditer(code):
        if not STRUCTURE.match(code, match.start()) and not re.search(r'\)\s*\{\Z', match.group()):
            yield line_of(match.start()), 'a structure of uapi/ begins with "struct NAME {" (T4)'
    for directive in function_rules.DIRECTIVE.finditer(source.code):
        if ANY_STRUCTURE.search(directive.group()):
            yield line_of(directive.start()), 'a macro of uapi/ makes no structure (T4)'


def declarators(code, position):
    """Names that are declared behind the first one of a declaration, which ends at position: b and c of "a = f(1, 2), *b, c[3];"."""
    depth, begin = 0, None
    for offset in range(position, len(code)):
        letter = code[offset]
        depth += (letter in '([{') - (letter in ')]}')
        if depth < 0 or (depth == 0 and letter in ',;'):
            if begin is not None:
                name = re.match(r'[&*\s]*(\w+)\s*(?:[={\[(]|\Z)', code[begin:offset])
                if name:
                    yield name.group(1)
            if letter != ',':
                return
            begin = offset + 1


def receivers(code):
    """Names of variables of this file that are of a client's structure, alone or many of them."""
    of_client = '(?:' + '|'.join(sorted(CLIENTS)) + ')'
    found = set()
    for match in re.finditer(r'\b' + of_client + r'\b>*\s*(?:const\s*)?[&*]*\s*(\w+)\s*(?=[;,){=:[])', code):
        found.add(match.group(1))
        found.update(declarators(code, match.end()))
    found |= set(re.findall(r'\bauto\s*[&*]*\s*(\w+)\s*=\s*[^;]*<\s*' + of_client + r'\s*>', code))
    found |= KNOWN
    aliases = r'\bauto\s*[&*]*\s*(\w+)\s*[=:]\s*[^;{]*\b(?:' + '|'.join(sorted(found)) + r')\b\s*(?:\(\)|\[[^\]]*\])?\s*[;),]'
    return found | set(re.findall(aliases, code))


CAST = re.compile(r'(?:\b(?:static_cast|narrow_cast|reinterpret_cast)\s*<[^<>()]*(?:<[^<>]*>)?[^<>()]*>'
                  r'|\b(?:std::)?(?:u?int(?:8|16|32|64|ptr)_t|size_t|ptrdiff_t|unsigned|int|long|float|double))\s*\Z')
C_CAST = re.compile(r'\(\s*(?:const\s+)?(?:std::)?(?:unsigned\s+)?(?:u?int(?:8|16|32|64|ptr)_t|size_t|unsigned|int|long)\s*\)\s*\Z')
OPEN_PAREN = re.compile(r'(?:\A|[-+*/%<>=!&|^~?:,;({}\[]|\breturn)\s*\Z')
POINTER_CAST = re.compile(r'(?:_cast\s*<[^<>]*\*\s*>\s*\(|\(\s*[\w:\s]+\*+\s*\))\s*\Z')
PAIRS = {')': '(', '}': '{'}


def chain_start(code, position):
    """Where the expression begins whose last '.' or '->' is at position: a.b(c)[d]->e."""
    while True:
        text = code[:position].rstrip()
        if text.endswith((')', ']')):
            depth, offset = 0, len(text)
            while offset > 0:
                offset -= 1
                depth += {')': 1, ']': 1, '(': -1, '[': -1}.get(text[offset], 0)
                if depth == 0:
                    break
            position = offset
            if not re.search(r'[\w)\]]\s*\Z', code[:position]):
                return position
            continue
        name = re.search(r'(?:\w+::)*\w+\Z', text)
        position = name.start() if name else len(text)
        before = code[:position].rstrip()
        if before.endswith('->'):
            position = len(before) - 2
        elif before.endswith('.'):
            position = len(before) - 1
        else:
            return position


def peel(code, begin, end):
    """The same value with the casts and parentheses around it."""
    while True:
        before, after = code[max(0, begin - 200):begin], code[end:end + 100]
        if POINTER_CAST.search(before):
            return begin, end
        if c_cast := C_CAST.search(before):
            begin -= len(before) - c_cast.start()
            continue
        opened, closed = before.rstrip()[-1:], after.lstrip()[:1]
        if not closed or closed not in ')}' or PAIRS[closed] != opened:
            return begin, end
        outside = before.rstrip()[:-1]
        cast = CAST.search(outside)
        if not cast and not (opened == '(' and OPEN_PAREN.search(outside)):
            return begin, end
        begin -= len(before) - (cast.start() if cast else len(outside))
        end += len(after) - len(after.lstrip()) + 1


def operators(code, begin, end):
    """(operator, its offset) of the arithmetic that a value is part of, on both its sides."""
    first = max(0, begin - 200)
    before, after = code[first:begin].rstrip(), code[end:end + 40]
    if match := POINTER_CAST.search(before):
        yield match.group(), first + match.start()
    if match := re.match(r'\s*(<<=?|[-+*]=|\+\+|--|\+|\*|-(?!>))', after):
        yield match.group(1), end + match.start(1)
    if match := re.search(r'(?:<<=|[-+*/%]=|\+\+|--)\Z', before):
        yield match.group(), first + match.start()
        return
    if before.endswith('[') and after.lstrip().startswith(']') and re.search(r'[\w)\]]\Z', before[:-1].rstrip()):
        yield '[]', first + len(before) - 1
    match = re.search(r'(?:<<|(?<!-)[-+*/%])\Z', before)
    is_second = match and re.search(r'[\w)\]}\'"]\Z', before[:match.start()].rstrip())
    if is_second and not re.search(r'\b(?:return|co_return|case)\Z', before[:match.start()].rstrip()):
        yield match.group(), first + match.start()


MEMBER = re.compile(r'(?:\.|->)\s*(' + '|'.join(sorted(MEMBERS)) + r')\b(?!\s*\()')


def receiver_name(code, begin, dot):
    """The last name before the '.': "extents" of a.extents[i]."""
    text = re.sub(r'\([^()]*\)|\[[^\[\]]*\]', '', code[begin:dot])
    name = re.search(r'(\w+)\s*(?:(?:\.|->)\s*(?:front|back|at|value))?\s*\Z', text)
    return name.group(1) if name else ''


def client_values(code):
    """(begin, end) of each expression that is a client's value."""
    known = receivers(code)
    for match in MEMBER.finditer(code):
        begin = chain_start(code, match.start())
        name = receiver_name(code, begin, match.start())
        if name in OWN or (match.group(1) in COMMON and name not in known):
            continue
        yield begin, match.end()


GIVEN = re.compile(r'(\w+)\s*(?<![=!<>])=\s*\Z|(?:\w|>|&)\s+(\w+)\s*[{(]\Z|,\s*(\w+)\s*\{\Z')


def copies(code, begin, end, until):
    """Where a local variable that has been given just this value is named, up to the end of its function."""
    given = GIVEN.search(code[max(0, begin - 200):begin].rstrip())
    if not given or not re.match(r'\s*(?:[;,]|[})]\s*[;,])', code[end:end + 40]):
        return
    name = given.group(given.lastindex)
    if re.search(r'(?:\.|->)\s*' + name + r'\s*=\s*\Z', code[max(0, begin - 200):begin]) or name == 'return':
        return
    for match in re.compile(r'(?<![\w.>])' + name + r'\b(?!\s*\()').finditer(code, end, until):
        yield match.span()


def arithmetic(source):
    """Yields (line, text)."""
    if not source.is_c or not source.in_folder(*FOLDERS):
        return
    code = without_directives(source)
    ends = [last for _name, _first, last in function_rules.functions(source.code)]
    line_of = lambda offset: code.count('\n', 0, offset) + 1
    starts = [0]
    for line in source.lines:
        starts.append(starts[-1] + len(line) + 1)
    allowed = list(exceptions(source))
    for begin, end in client_values(code):
        value = re.sub(r'\s+', '', code[begin:end])
        outer = peel(code, begin, end)
        if found := refused(code, outer, allowed):
            yield line_of(begin), text_of(value, found)
        if any(operators(code, *outer)):
            continue
        until = min((starts[last] for last in ends if last >= line_of(begin)), default=len(code))
        for place in copies(code, *outer, until):
            if found := refused(code, peel(code, *place), allowed):
                yield line_of(place[0]), text_of(f'{code[place[0]:place[1]]}, which is {value},', found)


def text_of(value, found):
    return (f'{value} comes from a client: "{found}" goes through kernel/base/checked_math.h'
            ' (what was checked may be allowed in tests/tidy/shared_memory_rules.py, with its reason)')


def exceptions(source):
    """(begin, end) of what is allowed in the file, however it is broken into lines."""
    for path, text in ALLOWED:
        if path == source.path:
            pattern = r'\s*'.join(re.escape(part) for part in re.findall(r'\w+|\S', text))
            for match in re.finditer(r'(?<!\w)' + pattern + r'(?!\w)', source.code):
                yield match.span()


def refused(code, place, allowed):
    """The first operator of that value that is not with it in one of these, or None."""
    for text, offset in operators(code, *place):
        if not any(begin <= min(offset, place[0]) and max(offset + 1, place[1]) <= end for begin, end in allowed):
            return text
    return None


def unused(sources):
    """Exceptions that nothing needs any more. sources: Source by path. Yields (path, line, text)."""
    for path, text in ALLOWED:
        if path in sources and text not in sources[path].text:
            yield path, 1, f'"{text}" is allowed in tests/tidy/shared_memory_rules.py and is not there'
    headers = [source for path, source in sources.items() if path.startswith('uapi/') and source.is_header]
    there = {name for source in headers for name, _start, _declarations in structures(source)}
    for name in sorted((CLIENTS | DAEMON) - there if headers else ()):
        yield 'uapi/abi.h', 1, f'{name} is named in tests/tidy/shared_memory_rules.py and is no structure of uapi/'


RULES = [members, arithmetic]
