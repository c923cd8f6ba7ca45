#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds each rule a file that breaks it and one that does not, so that a rule that has gone blind is noticed."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import document_rules
import function_rules
import shared_memory_rules
import tidy
from source import Source

GPL = '// SPDX-License-Identifier: GPL-3.0-or-later\n'
MIT = '/* SPDX-License-Identifier: MIT */\n'
HEADER = GPL + '// What it is.\n#pragma once\n'
FILES = {
    'kernel/limits.h', 'kernel/base/result.h', 'kernel/platform/platform.h', 'kernel/ke/core.h', 'kernel/mm/uaccess.h', 'kernel/io/irp.h',
    'kernel/net/socket.h', 'kernel/tls/tls_context.h', 'kernel/cm/store.h', 'kernel/url/url_parse.h', 'kernel/http1/parser.h',
    'kernel/ns/url_tree.h', 'kernel/queue/request_queue.h', 'kernel/http/connection.h', 'kernel/main/boot.h', 'kernel/etw/trace.h',
    'lib/submit.h', 'uapi/abi.h', 'uapi/ring.h', 'uapi/http.h', 'uapi/windows.h', 'tools/table.h', 'tests/support.h'}


def texts(path, content):
    return [text for _line, text in tidy.findings(Source(path, content), FILES.__contains__)]


class Case(unittest.TestCase):
    def fires(self, path, content, words):
        found = texts(path, content)
        self.assertEqual(len(found), 1, f'{path}: {found}')
        self.assertIn(words, found[0])

    def clean(self, path, content):
        self.assertEqual(texts(path, content), [], path)


class Layout(Case):
    def test_fires(self):
        for bad, words in [
                ('int a; \n', 'blanks at the end'),
                ('int\ta;\n', 'tab'),
                ('int a;', 'no newline'),
                ('int a;\r\n', 'carriage return'),
                ('// ' + 'x' * 138 + '\n', 'line of 141 characters')]:
            self.fires('kernel/base/a.cpp', GPL + bad, words)
            self.fires('tests/unit/base/a.cpp', GPL + bad, words)

    def test_merge_conflict(self):
        for left in ['<' * 7 + ' HEAD', '=' * 7, '>' * 7 + ' f405b1a (net: why)']:
            self.fires('tools/man/a.8', '.\\" SPDX-License-Identifier: GPL-3.0-or-later\n' + left + '\n', 'a merge has left')
        self.clean('README.md', '<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n# A\n' + '=' * 8 + '\n')

    def test_clean(self):
        self.clean('kernel/base/a.cpp', GPL + '// ' + 'ä' * 137 + '\n')
        self.clean('README.md', '<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n' + 'x' * 300 + '\n')
        self.clean('tests/abi/layout.csv', 'a,\t b \n' + 'x' * 300)
        self.clean('tests/abi/blob', b'\0\xff \n')

    def test_file_length(self):
        line = '// x\n'
        for path, limit in [('kernel/base/a.cpp', 600), ('tools/a.py', 600), ('tests/unit/base/a.cpp', 1000), ('tests/tidy/a.py', 1000)]:
            head = GPL if path.endswith('cpp') else GPL.replace('//', '#')
            body = line if path.endswith('cpp') else '# x\n'
            self.clean(path, head + body * (limit - 1))
            self.fires(path, head + body * limit, f'file of {limit + 1} lines')


class Licence(Case):
    def test_fires(self):
        for path in ['kernel/base/a.cpp', 'tools/a.cpp', 'tests/a.cpp']:
            self.fires(path, 'int a;\n', 'no SPDX')
            self.fires(path, 'int a;\n' + GPL, 'no SPDX')
            self.fires(path, MIT, 'licence MIT')
        for path in ['uapi/a.c', 'lib/a.cpp', 'lib/meson.build', 'tools/samples/a.c']:
            self.fires(path, GPL, 'licence GPL')
        self.fires('tools/setup', '#!/usr/bin/env bash\n\n# SPDX-License-Identifier: GPL-3.0-or-later\n', 'no SPDX')
        self.fires('meson_options.txt', '', 'no SPDX')

    def test_clean(self):
        self.clean('tools/setup', '#!/usr/bin/env bash\n# SPDX-License-Identifier: GPL-3.0-or-later\n')
        self.clean('subprojects/packagefiles/liburing/meson.build', '# SPDX-License-Identifier: MIT\n')
        self.clean('lib/a.cpp', MIT)
        self.clean('tools/samples/a.c', MIT)
        self.clean('tools/bench/a.c', MIT)
        self.clean('LICENSES/MIT.txt', 'MIT License\n')


class Header(Case):
    def test_fires(self):
        self.fires('kernel/base/a.h', GPL + '// What it is.\nint a;\n', 'neither #pragma once')
        self.fires('kernel/base/a.h', GPL + '// What it is.\n// #pragma once\nint a;\n', 'neither #pragma once')
        self.fires('lib/a.h', MIT + '/* x */\n#ifndef A\n#define B\n#endif\n', 'neither #pragma once')
        self.fires('uapi/a.h', MIT + '/* What it is. */\n#pragma once\n', 'include guard')
        self.fires('kernel/base/a.h', GPL + '#pragma once\nint a;\n', 'no abstract')

    def test_clean(self):
        self.clean('kernel/base/a.h', HEADER)
        self.clean('lib/a.h', MIT + '// What it is.\n#pragma once\n')
        self.clean('uapi/a.h', MIT + '/* What it is. */\n#ifndef A\n#define A\n#if 1\n#endif\n#endif\n')


class Words(Case):
    def test_fires(self):
        for marker in ['TO' + 'DO', 'FIX' + 'ME', 'X' * 3, 'HA' + 'CK']:
            self.fires('kernel/base/a.cpp', GPL + f'// {marker}: later\n', marker)
            self.fires('HACKING.md', f'<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n{marker}\n', marker)
        for path in ['kernel/mm/uaccess.cpp', 'kernel/mm/uaccess_x86_64.cpp', 'kernel/http1/parser.cpp', 'kernel/url/host.cpp']:
            self.fires(path, GPL + 'void f() { VERIFY(x); }\n', 'VERIFY')
            self.fires(path, GPL + "// The daemon's own number.\n\nvoid f() { VERIFY(x); }\n", 'VERIFY')
        for path in ['kernel/http/request.cpp', 'kernel/io/dispatch.cpp', 'tools/dump.cpp']:
            self.fires(path, GPL + 'hsys_upage *page;\n', 'hsys_upage')

    def test_clean(self):
        self.clean('kernel/base/a.cpp', GPL + '// HACKING.md, mkstemp("aXXXXXX")\n')
        self.clean('kernel/http1/parser.cpp', GPL + '// VERIFY(x)\nauto a = "VERIFY(x)";\n')
        self.clean('kernel/mm/shared_region.cpp', GPL + 'void f() { VERIFY(x); }\n')
        self.clean('kernel/mm/uaccess.cpp',
        GPL + "// The daemon's own number.\nvoid f() { VERIFY(x); }\nvoid f() {} // the daemon's own\n")
        for path in ['kernel/mm/uaccess.cpp', 'kernel/io/channel.cpp', 'kernel/io/submission_ring.cpp', 'tests/abi/client.cpp']:
            self.clean(path, GPL + 'hsys_upage *page;\n')
        self.clean('lib/client_channel.cpp', MIT + 'hsys_upage *page;\n')


class TopLevel(Case):
    def test_fires(self):
        self.fires('notes.md', '<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n', 'no place')
        self.fires('docs/a.md', '<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n', 'no place')

    def test_clean(self):
        self.clean('.ci/run', '#!/bin/bash\n# SPDX-License-Identifier: GPL-3.0-or-later\n')


class Includes(Case):
    def included(self, path, *names):
        header = (MIT if path.startswith(('uapi', 'lib')) else GPL)
        if path.endswith('.h'):
            header += '// x\n#ifndef A\n#define A\n'
        return header + ''.join(f'#include {name}\n' for name in names) + ('#endif\n' if path.endswith('.h') else '')

    def test_upward_arrows(self):
        for arrow in ['base platform/platform.h', 'platform ke/core.h', 'ke mm/uaccess.h', 'mm io/irp.h', 'se io/irp.h',
        'io net/socket.h',
                      'net tls/tls_context.h', 'tls cm/store.h', 'tls url/url_parse.h', 'url http1/parser.h', 'url ke/core.h',
                      'http1 net/socket.h', 'http1 ns/url_tree.h', 'cm ns/url_tree.h', 'ns queue/request_queue.h',
                      'queue http/connection.h', 'http main/boot.h']:
            layer, name = arrow.split()
            self.fires(f'kernel/{layer}/a.cpp', self.included('kernel/', f'"kernel/{name}"'), 'arrow points upwards')
        self.fires('kernel/limits.h', self.included('kernel/limits.h', '"kernel/base/result.h"'), 'includes none')
        self.fires('kernel/etw/a.cpp', self.included('kernel/', '"kernel/base/result.h"'), 'not in the layer table')

    def test_downward_arrows(self):
        for arrow in ['platform base/result.h', 'ke platform/platform.h', 'io mm/uaccess.h', 'tls net/socket.h', 'cm tls/tls_context.h',
                      'ns url/url_parse.h', 'http1 url/url_parse.h', 'queue ns/url_tree.h', 'http queue/request_queue.h',
                      'main http/connection.h', 'main main/boot.h', 'url limits.h']:
            layer, name = arrow.split()
            self.clean(f'kernel/{layer}/a.cpp', self.included('kernel/', f'"kernel/{name}"', '"uapi/abi.h"', '<vector>'))

    def test_between_folders(self):
        for path, name, words in [
                ('kernel/io/a.cpp', '"lib/submit.h"', 'nothing of lib/'),
                ('kernel/io/a.cpp', '"tools/table.h"', 'nothing of tools/'),
                ('kernel/io/a.cpp', '"uapi/http.h"', 'belongs to applications'),
                ('kernel/io/a.cpp', '"irp.h"', 'is no file'),
                ('lib/a.cpp', '"kernel/base/result.h"', 'lib includes'),
                ('lib/a.cpp', '"tests/support.h"', 'lib includes'),
                ('lib/a.cpp', '<fmt/format.h>', 'nothing but libc'),
                ('lib/a.cpp', '"submit.h"', 'is no file'),
                ('uapi/a.h', '"kernel/limits.h"', 'uapi includes'),
                ('tools/a.cpp', '"kernel/base/result.h"', 'never the daemon'),
                ('tools/a.cpp', '"kernel/limits.h"', 'never the daemon'),
                ('tools/httpsysctl/a.cpp', '"kernel/cm/store.h"', 'never the daemon')]:
            self.fires(path, self.included(path, name), words)
        for path, name in [
                ('kernel/io/a.cpp', '"uapi/ring.h"'),
                ('lib/a.cpp', '"lib/submit.h"'),
                ('lib/a.cpp', '"uapi/http.h"'),
                ('lib/a.cpp', '<sys/socket.h>'),
                ('tools/a.cpp', '"lib/submit.h"'),
                ('tools/bench/a.cpp', '"kernel/base/result.h"'),
                ('tools/httpsysctl/a.cpp', '"kernel/limits.h"'),
                ('tests/a.cpp', '"kernel/io/irp.h"'),
                ('tests/a.cpp', '<http.h>')]:
            self.clean(path, self.included(path, name))

    def test_headers_of_uapi(self):
        for name in ['<sys/socket.h>', '<stdio.h>', '"uapi/http.h"']:
            self.fires('uapi/ring.h', self.included('uapi/ring.h', name), 'includ')
        self.fires('uapi/http.h', self.included('uapi/http.h', '<stdio.h>'), 'not one of the headers')
        self.clean('uapi/ring.h', self.included('uapi/ring.h', '<stdint.h>', '"uapi/abi.h"'))
        for name in ['<windows.h>', '"windows.h"', '"uapi/windows.h"', '<netinet/in.h>', '<uchar.h>']:
            self.clean('uapi/http.h', self.included('uapi/http.h', name))

    def test_operating_system(self):
        for name in ['<liburing.h>', '<sys/socket.h>', '<unistd.h>', '<linux/io_uring.h>', '<chrono>', '<random>', '<fstream>']:
            self.fires('kernel/net/a.cpp', self.included('kernel/', name), 'only kernel/platform/linux/')
            self.fires('kernel/platform/a.cpp', self.included('kernel/', name), 'only kernel/platform/linux/')
            self.clean('kernel/platform/linux/a.cpp', self.included('kernel/', name))
            self.clean('tests/a.cpp', self.included('tests/', name))
        self.clean('kernel/base/ip_address.cpp', self.included('kernel/', '<arpa/inet.h>'))
        self.fires('kernel/base/ip_address.cpp', self.included('kernel/', '<sys/socket.h>'), 'only kernel/platform/linux/')
        self.fires('kernel/cm/a.cpp', self.included('kernel/', '<wolfssl/ssl.h>'), 'only kernel/tls')
        self.clean('kernel/tls/a.cpp', self.included('kernel/', '<wolfssl/ssl.h>'))

    def test_comments_include_nothing(self):
        self.clean('kernel/base/a.cpp', GPL + '// #include <liburing.h>\n/*\n#include "kernel/io/irp.h"\n*/\n')


class Functions(Case):
    LONG = '  a;\n' * 68

    def lengths(self, code):
        return [(name, last - first + 1) for name, first, last in function_rules.functions(Source('a.cpp', code).code)]

    def test_fires(self):
        for head in [
                'int f(int a)\n{\n',
                'Foo::Foo(int a)\n  : m_a{a}, m_b(b) {\n',
                'namespace x {\nclass A : B {\npublic:\nint f() const {\n//\n',
                'struct s *f(struct s *a = {})\n{\n',
                'bool operator==(A a)\n{\n',
                'extern "C" {\nvoid f(void)\n{\n',
                '[[nodiscard]] auto f() -> int\n{\n']:
            self.fires('kernel/base/a.cpp', GPL + head + self.LONG + '}\n', 'has 7')
        self.fires('tests/a.py', GPL.replace('//', '#') + 'def f():\n' + '    a = 1\n' * 70, 'function f has 71 lines')
        self.fires('tests/a.py', GPL.replace('//', '#') + 'def f(:\n', 'not valid Python')

    def test_clean(self):
        for code in [
                'int f()\n{\n' + '  a;\n' * 67 + '}\n',
                'TEST_CASE("x")\n{\n' + self.LONG * 2 + '}\n',
                'class A {\n' + 'int f();\n' * 80 + '};\n',
                'static const int table[] = {\n' + '  1,\n' * 80 + '};\n',
                'enum class E : uint8_t {\n' + '  a,\n' * 80 + '};\n',
                'namespace a {\n' + 'int f() { return 1; }\n' * 80 + '}\n',
                '/*\n' + 'f() {\n' * 80 + '*/\n',
                '#define F(x) { \\\n' + ' x \\\n' * 80 + ' }\n']:
            self.clean('kernel/base/a.cpp', GPL + code)

    def test_what_is_counted(self):
        self.assertEqual(self.lengths('void f()\n{\n  if (a) {\n  }\n  g([] {\n  });\n  char c = \'{\';\n  auto s = R"({)";\n}\n'),
                         [('f', 9)])
        self.assertEqual(self.lengths('A::A() : m_a{1}, m_b{2}\n{\n}\nint g() { return 1; }\n'), [('A::A', 3), ('g', 1)])
        self.assertEqual(self.lengths('struct A {\n  int a = 1\'000;\n  int b{2};\n  void f() {}\n  ~A()\n  {\n  }\n};\n'), [('f', 1),
        ('~A', 3)])
        self.assertEqual(self.lengths('template <typename T>\nrequires(X<T>)\nvoid h(T &&)\n{\n}\n')[0][1], 5)
        self.assertEqual(self.lengths('auto f = [](int a) {\n  return a;\n};\nint g()\n{\n}\n'), [('g', 3)])


class SharedMemory(Case):
    def test_members_of_one_width(self):
        for bad in ['void *next;', 'const char *name;', 'size_t bytes;', 'long a;', 'unsigned long long a;', 'bool is_set;',
                    '_Bool is_set;', 'enum hsys_op op;', 'int a;', 'unsigned a;', 'uintptr_t a;', 'uint32_t a : 3;', 'uint64_t *a;',
                    'double a;', 'char a;', 'void (*call)(void);', 'struct other a;', 'struct hsys_text *a;',
                    'union { uint32_t a; uint64_t b; };']:
            for head in ['struct hsys_kpage {', 'struct hsys_new {', 'union hsys_new {']:
                content = MIT + '/* x */\n#ifndef A\n#define A\n' + head + '\n  uint32_t b;\n  ' + bad + '\n};\n#endif\n'
                self.assertTrue(any('fixed width' in text for text in texts('uapi/ring.h', content)), bad)

    def test_members_that_are_clean(self):
        body = ('  uint8_t a; /* void *a; */\n  uint32_t b, c[3], d;\n  int64_t e;\n  char f[32];\n  struct hsys_text g, h[2];\n'
                '  HSYS_WORD(sq_tail);\n')
        content = MIT + '/* x */\n#ifndef A\n#define A\nstruct hsys_text {\n' + body + '};\nenum hsys_e {\n  A = 1\n};\n' \
            'static inline int f(const struct hsys_new *a, int b)\n{\n  return b;\n}\n#endif\n'
        self.clean('uapi/ring.h', content)

    def header(self, code):
        return MIT + '/* x */\n#ifndef A\n#define A\n' + code + '\n#endif\n'

    def test_each_structure_is_filled_by_somebody(self):
        structure = 'struct %s {\n  uint32_t reserved0;\n};'
        for name in sorted(shared_memory_rules.CLIENTS | shared_memory_rules.DAEMON):
            self.clean('uapi/ring.h', self.header(structure % name))
        self.fires('uapi/ring.h', self.header(structure % 'hsys_new'), 'hsys_new has to be in one of CLIENTS and DAEMON')
        self.clean('lib/submit.h', self.header(structure % 'hsys_new'))
        with mock.patch.object(shared_memory_rules, 'DAEMON', shared_memory_rules.DAEMON | {'hsys_sqe'}):
            self.fires('uapi/ring.h', self.header(structure % 'hsys_sqe'), 'hsys_sqe has to be in one of')
        # And each name is a structure's.
        everything = ' '.join(structure % name for name in shared_memory_rules.CLIENTS | shared_memory_rules.DAEMON - {'hsys_cqe'})
        unused = [text for _path, _line, text in shared_memory_rules.unused({'uapi/ring.h': Source('uapi/ring.h', everything)})]
        self.assertEqual(len(unused), 1)
        self.assertIn('hsys_cqe is named', unused[0])

    def test_structures_that_the_rules_would_not_see(self):
        for bad, words in [
                ('typedef struct { void *next; } hsys_new;', 'typedef'), ('typedef struct hsys_sqe hsys_entry;', 'typedef'),
                ('typedef uint32_t hsys_word;', 'typedef'), ('struct { void *next; } hsys_new;', 'begins with "struct NAME {"'),
                ('struct __attribute__((packed)) hsys_sqe { void *next; };', 'begins with'),
                ('struct alignas(64) hsys_sqe { void *next; };', 'begins with'),
                ('#define NEW(name) struct name { void *next; }', 'a macro'),
                ('#define NEW(name) \\\n  struct { void *next; } name', 'a macro')]:
            found = texts('uapi/ring.h', self.header(bad))
            self.assertTrue(any(words in text for text in found), f'{bad}: {found}')
        for good in ['struct hsys_sqe;', 'static inline void f(struct hsys_sqe *a)\n{\n}', 'struct hsys_sqe f(void);',
                     'static inline struct hsys_sqe f(const struct hsys_sqe *a)\n{\n  struct hsys_sqe b = *a;\n  return b;\n}',
                     '#define SIZE(name) sizeof(struct name)', '/* typedef struct { */']:
            self.clean('uapi/ring.h', self.header(good))

    def test_member_that_the_other_rule_does_not_know(self):
        head = MIT + '/* x */\n#ifndef A\n#define A\nstruct hsys_sqe {\n  uint32_t op, '
        self.fires('uapi/ring.h', head + 'new_length;\n};\n#endif\n', 'new_length is not in MEMBERS')
        self.clean('uapi/ring.h', head + 'reserved7;\n};\n#endif\n')

    def arithmetic(self, statement):
        return GPL + 'static void f(const hsys_sqe &entry, hsys_url &head, std::vector<hsys_extent> pieces)\n{\n  ' + statement + '\n}\n'

    def test_arithmetic_fires(self):
        for statement in [
                'use(entry.in_offset + entry.in_length);', 'use(entry.in_length * 16);', 'use(16 * entry.in_length);',
                'use(1u << entry.op);', 'use(end - entry.in_offset);', 'use(entry.in_length << 2);', 'total += entry.in_length;',
                'use(data.data() + entry.in_offset);', 'use(static_cast<uint64_t>(entry.in_length) * 4);',
                'use(uint64_t{entry.in_length} + 1);', 'use((uint64_t)entry.in_length + 1);', 'use(4 + (entry.in_length));',
                'use(4 + static_cast<std::size_t>((entry.in_length)));', 'use(bytes / entry.in_length);', 'use(bytes % entry.in_length);',
                'use(table[entry.op]);', 'use(table[static_cast<size_t>(entry.object_id)]);', 'use(irp->entry().out_length - 8);',
                'use(irp.entry().op * 2);', 'use(m_block->url_bytes + 2);', 'use(head.size - 2);', 'use(pieces[i].length + 2);',
                'use(parts.extents[i].offset + 2);', 'use(parts.extents.front().offset + 2);',
                'for (auto &one : pieces) use(one.length * 2);', 'const auto &one = pieces[0]; use(one.offset + 1);',
                'auto got = exactly<hsys_control_admin>(packet); use(got->word_count * 4);',
                'const hsys_header *one = g(); use(one->id + 1);', 'uint64_t all = entry.in_length; use(all + 1);',
                'uint32_t all{entry.in_length}; use(2 * all);', 'auto all = static_cast<uint64_t>(entry.in_length); g(); table[all] = 1;',
                'm_all = entry.in_length; use(m_all * 2);', 'use(reinterpret_cast<uint8_t *>(entry.user_data));',
                'use((Irp *)entry.user_data);', 'use(entry.in_length++);', 'return use(-1 + entry.in_length);',
                'use(fits(entry.in_offset) ? x + entry.in_offset : 0);',
                # Second declarators.
                'hsys_extent first, second; use(second.offset + 1);', 'hsys_extent *one = g(1, 2), two = {}; use(two.offset + 1);',
                'const hsys_extent &one = g(), &two = h(); use(two.offset + 1);', 'hsys_extent one[2], two; use(one[0].offset + 1);',
                'auto &one = pieces[0], &two = pieces[1]; use(one.offset + 1);',
                'uint64_t all = entry.in_length, more = 0; use(all + 1);', 'uint64_t all{entry.in_length}, more{0}; use(all + 1);',
                'uint64_t more = 0, all = entry.in_length; use(all + 1);', 'uint64_t more{0}, all{entry.in_length}; use(all + 1);']:
            for folder in ['io', 'queue', 'http', 'ns']:
                found = texts(f'kernel/{folder}/a.cpp', self.arithmetic(statement))
                self.assertTrue(found and all('comes from a client' in text for text in found), f'{statement}: {found}')

    def test_arithmetic_is_clean(self):
        for statement in [
                'use(range_fits(entry.in_offset, entry.in_length, bytes));',
                'use(checked_add<uint64_t>(entry.in_offset, entry.in_length));', 'use(entry.in_length > bytes - taken);',
                'use(entry.in_length / 2, -1);', 'use(entry.in_length % 2 != 0);', 'use(*row, entry.op);', 'use(entry.op_flags & ~mask);',
                'use(&entry.op, *entry.op);', 'std::vector<uint8_t> bytes(entry.in_length);', 'use(m_bytes.data() + place.offset);',
                'use(image.length - image.size);', 'use(entry.size() + 1, pieces.size() * 2);',
                'use(geometry.tx_offset + geometry.tx_bytes);', 'use("a" /* entry.in_length + 1 */);',
                'use([id = entry.irp_id] { g(); });', 'uint64_t all = entry.in_length; use(all > 1, b->all + 1, c.all * 2);',
                'hsys_extent one; Place place; use(place.offset + 1);', 'f(hsys_extent(), place); use(place.offset + 1);',
                'uint64_t all = min(entry.in_length, 4u); use(all + 1);', 'return entry.op == 3 ? -1 : 0;']:
            self.clean('kernel/io/a.cpp', self.arithmetic(statement))
        self.clean('kernel/net/a.cpp', self.arithmetic('use(entry.in_length + 1);'))
        self.clean('tools/fuzz/a.cpp', self.arithmetic('use(entry.in_length + 1);'))

    def test_a_copy_ends_with_its_function(self):
        self.clean('kernel/io/a.cpp', self.arithmetic('uint64_t all = entry.in_length;') + 'int g(int all)\n{\n  return all + 1;\n}\n')

    def test_exceptions(self):
        path, allowed = 'kernel/io/channel_submit.cpp', 'copy_in(geometry.tx_offset + entry.in_offset, parameters)'
        self.assertIn((path, allowed), shared_memory_rules.ALLOWED)
        self.clean(path, self.arithmetic(f'use({allowed});'))
        self.fires('kernel/io/a.cpp', self.arithmetic(f'use({allowed});'), 'comes from a client')
        self.clean(path, self.arithmetic(f'use({allowed});'.replace(' ', '\n')))
        for other in ['geometry.tx_offset + entry.in_offset', f'{allowed}; use(geometry.tx_offset + entry.in_offset)',
                      f'geometry.tx_offset + entry.in_offset, {allowed}', f'my_{allowed}']:
            self.fires(path, self.arithmetic(f'use({other});'), 'comes from a client')
        sum_path = 'kernel/http/response_block.cpp'
        self.assertIn((sum_path, 'sum += extent.length'), shared_memory_rules.ALLOWED)
        self.clean(sum_path, self.arithmetic('sum += extent.length;'))
        for other in ['sum += extent.length * 2;', 'sum += extent.length + entry.in_length;', 'sum += extent.length; sum -= extent.length;',
                      'check_sum += extent.length;', 'sum += extent.length_of;extent.length++;']:
            found = texts(sum_path, self.arithmetic(other))
            self.assertTrue(found, other)
        found = list(shared_memory_rules.unused({path: Source(path, self.arithmetic(f'use({allowed});'))}))
        self.assertEqual([path], [where for where, _line, _text in found])
        self.assertIn('operations[entry.op]', found[0][2])


class Documents(unittest.TestCase):
    HEADER = 'HTTPAPI_LINKAGE ULONG WINAPI HttpOne(ULONG A);\nHTTPAPI_LINKAGE BOOL WINAPI HttpTwo(ULONG A,\n'
    README = 'tools/demo, tools/test, [a](kernel/a.cpp#x), [b](https://example.org)\n| `HttpOne` | works |\n| `HttpTwo` | not yet |\n'

    def check(self, readme):
        files = {'README.md': readme, 'lib/include/http.h': self.HEADER, 'kernel/a.cpp': ''}
        return [text for _path, _line, text in document_rules.check({path: Source(path, text) for path, text in files.items()})]

    def test_clean(self):
        self.assertEqual(self.check(self.README), [])

    def test_fires(self):
        for old, new, words in [
                ('tools/demo', 'tools/deno', 'first commands'),
                ('tools/demo, tools/test', 'tools/test, tools/demo', 'in this order'),
                ('kernel/a.cpp', 'kernel/b.cpp', 'which is no file'),
                ('| `HttpTwo` | not yet |\n', '', 'HttpTwo has 0 rows'),
                ('`HttpTwo` | not yet |', '`HttpTwo` | soon |', 'not "soon"'),
                ('works |\n', 'works |\n| `HttpThree` | works |\n', 'HttpThree is no')]:
            found = self.check(self.README.replace(old, new))
            self.assertEqual(len(found), 1, found)
            self.assertIn(words, found[0])


class Walk(unittest.TestCase):
    """The program as meson runs it, in a tree of its own."""

    def run_in(self, files, git):
        with tempfile.TemporaryDirectory() as root:
            for path, content in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
                with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
                    file.write(content)
            if git:
                subprocess.run(['git', 'init', '-q', root], check=True, capture_output=True)
            output = io.StringIO()
            with mock.patch.object(sys, 'argv', ['tidy.py', root]), contextlib.redirect_stdout(output):
                return tidy.main(), output.getvalue()

    def test_good_and_bad(self):
        good = {'kernel/base/a.cpp': GPL, '.gitignore': '# SPDX-License-Identifier: GPL-3.0-or-later\n/build*/\n',
        'build/x.cpp': 'int a;\t\n'}
        for git in (False, True):
            status, output = self.run_in(good, git)
            self.assertEqual((status, output), (0, '2 files, 0 findings\n'))
            status, output = self.run_in({**good, 'kernel/base/b.cpp': 'int a;\n'}, git)
            self.assertEqual(status, 1)
            self.assertIn('kernel/base/b.cpp:1: no SPDX', output)

    def test_nothing_to_look_at(self):
        self.assertEqual(self.run_in({}, False)[0], 1)


if __name__ == '__main__':
    unittest.main()
