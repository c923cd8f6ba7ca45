#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the API, row by row, by a program that calls it as others do (api_rows.cpp)."""

import harness


class Rows(harness.SystemTest):
    def test_rows(self):
        ports = ' '.join(str(harness.free_port()) for _ in range(4))
        rows = self.application('tests/system/api_rows', environment={'HTTPSYS_TEST_PORTS': ports})
        status = rows.wait(120)
        self.assertEqual(status, 0, rows.stdout.text())
        self.assertRegex(rows.stdout.text(), r'\d\d passed')


if __name__ == '__main__':
    harness.main()
