#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the libFuzzer targets of a build with -Dfuzz=true, two at a time, from their corpora, and prints for each its speed and coverage.

figures.py BUILD [--seconds N] [NAME...]      60 seconds each without --seconds; exit status 1 when one of them finds something

The input of a finding stays in the folder where this was started, as NAME-crash-HASH, NAME-leak-HASH, ...; the output names it.
"""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
# Of an input, in bytes. A client's certificates may have MaxClientCertificateBytes.
MOST_BYTES = {'certificates': 36864}


def run(build, name, seconds):
    with tempfile.TemporaryDirectory(prefix='hsys-') as folder:
        corpus = pathlib.Path(folder) / 'corpus'
        subprocess.run([HERE / 'corpus.py', 'unpack', HERE / 'corpus' / f'{name}.pack', corpus], check=True)
        program = (build / 'tests' / 'fuzz' / f'fuzz-{name}').resolve()
        # libFuzzer's own choice would be the folder that goes.
        arguments = [f'-artifact_prefix={pathlib.Path.cwd()}/{name}-', f'-max_total_time={seconds}', '-timeout=30', '-rss_limit_mb=4000',
                     '-print_final_stats=1', f'-max_len={MOST_BYTES.get(name, 4096)}']
        process = subprocess.run([program, *arguments, corpus], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return process.returncode, process.stdout.decode(errors='replace')


def last(pattern, text):
    found = re.findall(pattern, text)
    return found[-1] if found else '?'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('names', nargs='*')
    parser.add_argument('--seconds', type=int, default=60)
    options = parser.parse_intermixed_args()
    names = options.names or sorted(path.stem for path in (HERE / 'corpus').glob('*.pack'))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: run(options.build, name, options.seconds), names))
    print(f'{"target":12} {"inputs":>9} {"per second":>10} {"edges":>6} of {"all":>6}')
    for name, (status, text) in zip(names, results):
        counters = last(r'Loaded \d+ modules\s+\((\d+) inline 8-bit counters\)', text)
        executed = last(r'number_of_executed_units:\s*(\d+)', text)
        speed = last(r'average_exec_per_sec:\s*(\d+)', text)
        reached = last(r' cov: (\d+)', text)
        print(f'{name:12} {executed:>9} {speed:>10} {reached:>6} of {counters:>6}')
        if status:
            print(text[-3000:])
            print(f'{name} has found something; input: {last(r"Test unit written to (.+)", text)}')
    return 1 if any(status for status, _ in results) else 0


if __name__ == '__main__':
    sys.exit(main())
