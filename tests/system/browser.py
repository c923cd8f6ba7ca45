# SPDX-License-Identifier: GPL-3.0-or-later
"""Chromium without a window, as a peer that nobody can talk into anything: it trusts the tests' CA by a certificate store of its own and
presents a certificate without asking, by a policy. Policies lie in /etc alone, so it runs in a mount namespace of its own, with a folder
of the test in that place."""

import json
import os
import shutil
import subprocess
import unittest

from processes import Failure, Process

POLICIES = '/etc/chromium'
IN_NAMESPACE = 'mount --bind "$0" ' + POLICIES + ' && exec "$@"'


def namespace(policies):
    """The command that gives a program mounts of its own; skips the test where the system does not allow that."""
    command = ['unshare', '--mount'] if os.getuid() == 0 else ['unshare', '--user', '--map-root-user', '--mount']
    tried = subprocess.run([*command, 'mount', '--bind', policies, POLICIES], capture_output=True, text=True, timeout=30, check=False)
    if tried.returncode != 0:
        raise unittest.SkipTest(f'no mount namespace to give Chromium its policies: {tried.stderr.strip()}')
    return command


def run(*arguments):
    subprocess.run(arguments, check=True, capture_output=True, timeout=60)


def prepare(certificates, folder, credential):
    """A home folder with the store, and the policies."""
    store = os.path.join(folder, '.pki/nssdb')
    policies = os.path.join(folder, 'etc/policies/managed')
    os.makedirs(store)
    os.makedirs(policies)
    run('certutil', '-d', f'sql:{store}', '-N', '--empty-password')
    run('certutil', '-d', f'sql:{store}', '-A', '-t', 'C,,', '-n', 'ca', '-i', certificates.ca)
    if credential:
        run('pk12util', '-d', f'sql:{store}', '-i', credential.pkcs12(), '-W', 'test', '-K', '')
    with open(os.path.join(policies, 'test.json'), 'w', encoding='ascii') as file:
        json.dump({'AutoSelectCertificateForUrls': [json.dumps({'pattern': '*', 'filter': {}})]}, file)


def visit(certificates, url, folder, credential=None, limit=40):
    """Loads a page and ends: an ended Process with .status and .page (the document as HTML). folder: a new one, of the test."""
    if not shutil.which('chromium') or not os.path.isdir(POLICIES):
        raise Failure('Chromium is not installed: tools/setup --for test does that')
    prepare(certificates, folder, credential)
    policies = os.path.join(folder, 'etc')
    process = Process([*namespace(policies), 'sh', '-c', IN_NAMESPACE, policies, 'chromium', '--headless=new', '--no-sandbox',
                       '--disable-gpu', '--disable-dev-shm-usage', f'--user-data-dir={folder}/profile', '--dump-dom', url],
                      {'HOME': folder}, limit=limit, name='chromium')
    process.close_stdin()
    process.status = process.wait(limit + 5)
    process.page = process.stdout.text()
    return process
