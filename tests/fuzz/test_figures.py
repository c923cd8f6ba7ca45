#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""figures.py with a target that finds something: the input stays where it was started, and its name is in the output."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
# What libFuzzer does with its options and says, as far as figures.py needs it.
TARGET = '''#!/bin/sh
for word; do case $word in -artifact_prefix=*) prefix=${word#*=} ;; -max_len=*) echo "${word#*=}" >"$0.most" ;; esac; done
if [ "$(basename "$0")" = fuzz-url ]; then
  echo bad >"${prefix}crash-1234"
  echo "artifact_prefix='$prefix'; Test unit written to ${prefix}crash-1234"
  seq 2000
  exit 77
fi
'''


class Figures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='hsys-')
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.targets = self.folder / 'build' / 'tests' / 'fuzz'
        self.targets.mkdir(parents=True)
        for name in ('url', 'config', 'certificates'):
            target = self.targets / f'fuzz-{name}'
            target.write_text(TARGET)
            target.chmod(0o755)

    def figures(self, *names):
        return subprocess.run([sys.executable, HERE / 'figures.py', 'build', '--seconds', '1', *names], cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def test_a_finding(self):
        done = self.figures('config', 'url')
        self.assertEqual(done.returncode, 1, done.stdout)
        found = self.folder / 'url-crash-1234'
        self.assertEqual(found.read_text(), 'bad\n')
        self.assertEqual(done.stdout.splitlines()[-1], f'url has found something; input: {found}')

    def test_sizes(self):
        done = self.figures('config', 'certificates')
        self.assertEqual(done.returncode, 0, done.stdout)
        sizes = [int((self.targets / f'fuzz-{name}.most').read_text()) for name in ('config', 'certificates')]
        self.assertEqual(sizes[0], 4096)
        self.assertGreater(sizes[1], 32768)  # MaxClientCertificateBytes

    def test_none(self):
        done = self.figures('config')
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual([path.name for path in self.folder.iterdir()], ['build'])


if __name__ == '__main__':
    unittest.main(verbosity=2)
