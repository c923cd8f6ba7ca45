#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs httpsys-sim as CI does.

check.py PROGRAM seeds        every seed of seeds.txt, twice: no finding, and the same trace both times
check.py PROGRAM new SECONDS  new seeds, each profile for its part of the time, and the first of each twice more: the same trace
check.py PROGRAM canaries     every rule broken in turn: each must be found within a minute
"""
import pathlib
import re
import subprocess
import sys
import time

PROFILES = ['swarm', 'hostile', 'cores', 'tls', 'crash']
CANARY_SECONDS = 60


def run(program, *arguments):
    process = subprocess.run([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                             check=False)
    return process.returncode, process.stdout


def seeds():
    text = pathlib.Path(__file__).with_name('seeds.txt').read_text()
    return [line.split() for line in text.splitlines() if line and not line.startswith('#')]


def check_seeds(program):
    is_good = True
    for seed, cores, profile in seeds():
        results = [run(program, '--seed', seed, '--cores', cores, '--profile', profile) for _ in range(2)]
        last = [output.splitlines()[-1] if output else '' for _, output in results]
        if any(status for status, _ in results) or not last[0].startswith(f'seed {seed}: '):
            print(results[0][1])
            is_good = False
        elif last[0] != last[1]:
            print(f'{profile}, {cores} cores: two runs, two traces:\n{last[0]}\n{last[1]}')
            is_good = False
    print(f'{len(seeds())} seeds, twice')
    return is_good


def check_new(program, seconds):
    is_good = True
    for profile in PROFILES:
        status, output = run(program, '--profile', profile, '--seconds', str(max(1, seconds // len(PROFILES))))
        print(f'{profile}: {output}')
        first = re.search(r'^ok: \d+ seeds from (\d+),', output, re.MULTILINE)
        is_good = is_good and status == 0 and first is not None
        if first:
            again = [run(program, '--profile', profile, '--seed', first[1]) for _ in range(2)]
            print(*(output.splitlines()[-1] for _status, output in again), sep='\n')
            is_good = is_good and again[0] == again[1] and again[0][0] == 0
    return is_good


def check_canaries(program):
    is_good = True
    status, names = run(program, '--list-canaries')
    names = names.split()
    for name in names:
        begun = time.monotonic()
        found, output = run(program, '--canary', name, '--seconds', str(CANARY_SECONDS))
        took = time.monotonic() - begun
        findings = [line for line in output.splitlines() if line.startswith('finding: ')]
        is_caught = found == 1 and len(findings) == 1 and took < CANARY_SECONDS
        print(f'{name:20} {took:5.1f} s  {findings[0][:140] if is_caught else "NOT CAUGHT"}', flush=True)
        is_good = is_good and is_caught
    return is_good and status == 0 and len(names) >= 10


def main():
    program, what = sys.argv[1:3]
    checks = {'seeds': check_seeds, 'canaries': check_canaries, 'new': lambda path: check_new(path, int(sys.argv[3]))}
    return 0 if checks[what](program) else 1


if __name__ == '__main__':
    sys.exit(main())
