#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first line that a porter runs: gcc app.c $(pkg-config --cflags --libs httpapi), from an installed prefix, in C and C++."""

import os
import subprocess
import tempfile
import unittest

import harness

SOURCE = '''#include <windows.h>
#include <http.h>
#include <httpsys.h>
#include <stdio.h>
int main(void)
{
  HTTPAPI_VERSION version = HTTPAPI_VERSION_2;
  ULONG code = HttpInitialize(version, HTTP_INITIALIZE_SERVER, NULL);
  const WCHAR *url = u"http://+:80/";
  printf("%u %d %s\\n", code, (int)url[0], httpsys_last_error_text());
  return 0;
}
'''


class Install(unittest.TestCase):
    def run_command(self, *command, **options):
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        self.assertEqual(done.returncode, 0, f'{command}\n{done.stdout}{done.stderr}')
        return done.stdout

    def test_compile_against_an_installed_prefix(self):
        build = harness.build_folder()
        with tempfile.TemporaryDirectory(prefix='hsys-') as folder:
            self.run_command('meson', 'install', '-C', build, '--no-rebuild', '--quiet', '--destdir', folder)
            configuration = self.run_command('find', folder, '-name', 'httpapi.pc').strip()
            environment = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(configuration), PKG_CONFIG_SYSROOT_DIR=folder)
            flags = self.run_command('pkg-config', '--cflags', '--libs', 'httpapi', env=environment).split()
            library = next(flag[2:] for flag in flags if flag.startswith('-L'))
            sanitize = os.environ.get('HTTPSYS_SANITIZE', 'none')
            extra = [] if sanitize == 'none' else [f'-fsanitize={sanitize}']
            for compiler, suffix in (('gcc', 'c'), ('g++', 'cpp')):
                with self.subTest(compiler=compiler):
                    source, program = f'{folder}/app.{suffix}', f'{folder}/app-{suffix}'
                    with open(source, 'w', encoding='ascii') as file:
                        file.write(SOURCE)
                    self.run_command(compiler, '-Wall', '-Wextra', '-Werror', '-o', program, source, *extra, *flags)
                    environment.update(LD_LIBRARY_PATH=library, HTTPSYS_SOCKET=f'{folder}/nobody')
                    answer = self.run_command(program, env=environment)
                    self.assertRegex(answer, '^1062 104 HttpInitialize: cannot reach httpsysd at ')


if __name__ == '__main__':
    harness.main()
