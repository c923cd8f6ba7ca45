# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of httpsys-ring-fuzz share: to run it, and to read its last lines."""

import os
import re

from application import ApiTest

CLEAN = re.compile(r'ok: (\d+) steps, (\d+) operations admitted, (\d+) refused, (\d+) sessions revoked, (\d+) seeds, (\d+\.\d) s\Z')
PROGRAM = 'tools/fuzz/httpsys-ring-fuzz'


class RingFuzzTest(ApiTest):
    # AddressSanitizer keeps what was freed, 256 MiB of it, which looks like a leak.
    environment = {'ASAN_OPTIONS': ':'.join(filter(None, [os.environ.get('ASAN_OPTIONS'), 'quarantine_size_mb=4',
                                                          'allocator_release_to_os_interval_ms=200']))}

    def fuzz(self, *arguments, seconds=120, program=PROGRAM, environment=None):
        if '--report' not in arguments:
            arguments += ('--report', os.path.join(self.folder, 'report.steps'))
        process = self.application(program, *arguments, environment=environment)
        process.status = process.wait(seconds)
        return process

    def last_lines(self, process, count):
        return process.stdout.text().splitlines()[-count:]

    def check_clean(self, process):
        """Nothing was found, and something was done: each of the first four figures is more than zero. Returns the steps."""
        self.assertEqual(process.status, 0, process.describe())
        figures = CLEAN.match(self.last_lines(process, 1)[0])
        self.assertIsNotNone(figures, process.describe())
        for figure in figures.groups()[:5]:
            self.assertGreater(int(figure), 0, process.describe())
        return int(figures[1])

    def check_hindered(self, process, sentence):
        """It says nothing about the daemon."""
        self.assertEqual(process.status, 3, process.describe())
        self.assertRegex(process.stderr.text(), sentence)
        self.assertNotIn('finding', process.stdout.text())
