# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for tests, made with the openssl command in about a second and kept in one folder for all test programs of a run.

    certificates = load()
    certificates.server                 Credential for localhost, 127.0.0.1 and ::1, ECDSA P-256
    certificates.clients['expired']     Credential; the names are in CLIENTS
    certificates.ca, certificates.crl   PEM files that a server trusts clients by

All are X.509 v3 but the client `v1`. Everything belongs to the tests alone: keys lie on disk unprotected."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile
import time

# What each client is for. Verified against `ca` with `crl`, they give what the second column says.
CLIENTS = {
    'good': 'verifies',
    'chain': 'verifies: leaf and three issuers, all sent',
    'large': 'verifies: below the 32 KiB that MaxClientCertificateBytes allows',
    'huge': 'above MaxClientCertificateBytes',
    'expired': 'has expired',
    'early': 'is not valid yet',
    'self_signed': 'untrusted root',
    'stranger': 'untrusted root: issued by a CA that nobody imported',
    'hostile': 'as stranger; what its name holds would act on a terminal and pass for other lines of the log',
    'revoked': 'is in the CRL',
    'server_only': 'wrong usage: serverAuth alone',
    'v1': 'X.509 v1, issued by the CA',
}

# Characters that turn the direction of a line, end it, hide, or command a terminal, and a quotation mark.
HOSTILE = '\u202eevil\u2066\u2028\u200b\x1b[2J\x9b31m\nhttpsysd: ready", uid 0'

YEAR = 365 * 86400
# The folder's content is made again after this time: certificates and CRL live longer than that.
LIFETIME = 12 * 3600

LEAF = 'basicConstraints = critical, CA:false\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n'
CLIENT = LEAF + 'keyUsage = critical, digitalSignature\nextendedKeyUsage = clientAuth\n'
SERVER = LEAF + 'keyUsage = critical, digitalSignature, keyEncipherment\nextendedKeyUsage = serverAuth\nsubjectAltName = '
AUTHORITY = ('basicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n'
             'authorityKeyIdentifier = keyid\n')

CA_CONFIG = '''[ca]
default_ca = this
[this]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = any
[any]
organizationName = optional
commonName = supplied
'''


class Credential:
    """A certificate with its key and issuers. Paths: certificate (the leaf alone), key, chain (what its owner sends: leaf, then issuers
    without the root). All PEM."""

    def __init__(self, folder, name):
        self.name = name
        self.certificate, self.key, self.chain = (os.path.join(folder, f'{name}.{ending}') for ending in ('crt', 'key', 'chain'))

    def chain_der(self):
        """DER of the certificates that are sent, the leaf first."""
        with open(self.chain, encoding='ascii') as file:
            blocks = file.read().split('-----END CERTIFICATE-----')[:-1]
        return [ssl.PEM_cert_to_DER_cert(block.strip() + '\n-----END CERTIFICATE-----\n') for block in blocks]

    def der(self):
        return self.chain_der()[0]

    def thumbprint(self):
        """netsh's certhash: SHA-1 of the DER, 40 lower-case hex digits."""
        return hashlib.sha1(self.der()).hexdigest()

    def pkcs12(self, password='test'):
        """The same as one PKCS#12 file, as browsers import it; its path."""
        path = os.path.splitext(self.certificate)[0] + '.p12'
        if not os.path.exists(path):
            openssl('pkcs12', '-export', '-in', self.chain, '-inkey', self.key, '-name', self.name, '-passout', f'pass:{password}', '-out',
                    f'{path}.{os.getpid()}')
            os.rename(f'{path}.{os.getpid()}', path)
        return path


class Certificates:
    def __init__(self, folder):
        self.folder = folder
        self.ca, self.crl, self.other_ca = (os.path.join(folder, name) for name in ('ca.crt', 'ca.crl', 'other_ca.crt'))
        self.server = Credential(folder, 'server')
        self.server_rsa = Credential(folder, 'server_rsa')        # the same names, RSA 2048
        self.server_sha384 = Credential(folder, 'server_sha384')  # the same names, P-384, signed with SHA-384
        self.server_other = Credential(folder, 'server_other')    # other.example.test, for SNI
        self.clients = {name: Credential(folder, name) for name in CLIENTS}


def openssl(*arguments, **options):
    done = subprocess.run(['openssl', *arguments], capture_output=True, text=True, timeout=60, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f'openssl {" ".join(arguments)}\n{done.stdout}{done.stderr}')
    return done.stdout


def date(seconds):
    return time.strftime('%Y%m%d%H%M%SZ', time.gmtime(time.time() + seconds))


class Maker:
    """Makes everything in one folder."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='ascii') as file:
            file.write(text)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding='ascii') as file:
            return file.read()

    def request(self, name, algorithm, subject):
        openssl('req', '-new', '-utf8', '-newkey', *algorithm, '-nodes', '-subj', subject, '-keyout', self.path(f'{name}.key'), '-out',
                self.path(f'{name}.csr'))

    def authority(self, name, subject):
        """A root."""
        self.request(name, ('ec', '-pkeyopt', 'ec_paramgen_curve:P-256'), subject)
        self.sign(name, name, AUTHORITY, self_signed=True)

    def issue(self, name, issuer, extensions, subject=None, curve='P-256', rsa=False, above=(), **more):
        """above: the issuers below the root, nearest first."""
        algorithm = ('rsa:2048',) if rsa else ('ec', '-pkeyopt', f'ec_paramgen_curve:{curve}')
        self.request(name, algorithm, subject or f'/O=httpsys tests/CN={name}')
        self.sign(name, issuer, extensions, **more)
        self.write(f'{name}.chain', ''.join(self.read(f'{part}.crt') for part in (name, *above)))

    def sign(self, name, issuer, extensions, begin=-86400, end=30 * 86400, digest='sha256', self_signed=False):
        folder = self.path(f'{issuer}.ca')
        if not os.path.isdir(folder):
            os.mkdir(folder)
            self.write(f'{issuer}.ca/index.txt', '')
            self.write(f'{issuer}.ca/config', CA_CONFIG.format(folder=folder))
        signer = ('-selfsign',) if self_signed else ('-cert', self.path(f'{issuer}.crt'))
        # Without extensions the result is a version 1 certificate.
        added = ('-extfile', self.write(f'{name}.ext', f'[here]\n{extensions}'), '-extensions', 'here') if extensions else ()
        openssl('ca', '-batch', '-notext', '-config', f'{folder}/config', '-keyfile', self.path(f'{issuer}.key'), *signer, *added,
                '-md', digest, '-startdate', date(begin), '-enddate', date(end), '-in', self.path(f'{name}.csr'),
                '-out', self.path(f'{name}.crt'))

    def revoke(self, name, issuer):
        common = ('-config', self.path(f'{issuer}.ca/config'), '-keyfile', self.path(f'{issuer}.key'), '-cert', self.path(f'{issuer}.crt'))
        openssl('ca', *common, '-revoke', self.path(f'{name}.crt'))
        openssl('ca', *common, '-gencrl', '-out', self.path(f'{issuer}.crl'))

    def names(self, prefix, count):
        return CLIENT + 'subjectAltName = ' + ', '.join(f'DNS:{prefix}-{number:04}.example.test' for number in range(count)) + '\n'

    def everything(self):
        self.authority('ca', '/O=httpsys tests/CN=httpsys test CA')
        self.authority('other_ca', '/O=Strangers/CN=another CA')
        loopback = SERVER + 'DNS:localhost, IP:127.0.0.1, IP:::1\n'
        self.issue('server', 'ca', loopback, subject='/O=httpsys tests/CN=localhost')
        self.issue('server_rsa', 'ca', loopback, subject='/O=httpsys tests/CN=localhost', rsa=True)
        self.issue('server_sha384', 'ca', loopback, subject='/O=httpsys tests/CN=localhost', curve='P-384', digest='sha384')
        self.issue('server_other', 'ca', SERVER + 'DNS:other.example.test\n')
        self.issue('good', 'ca', CLIENT, subject='/O=httpsys tests/CN=Alice')
        self.issue('issuer1', 'ca', AUTHORITY)
        self.issue('issuer2', 'issuer1', AUTHORITY)
        self.issue('issuer3', 'issuer2', AUTHORITY)
        self.issue('chain', 'issuer3', CLIENT, above=('issuer3', 'issuer2', 'issuer1'))
        self.issue('large', 'ca', self.names('large', 800))
        self.issue('huge', 'ca', self.names('huge', 1600))
        self.issue('expired', 'ca', CLIENT, begin=-2 * YEAR, end=-YEAR)
        self.issue('early', 'ca', CLIENT, begin=YEAR, end=2 * YEAR)
        self.issue('self_signed', 'self_signed', CLIENT.replace('authorityKeyIdentifier = keyid\n', ''), self_signed=True)
        self.issue('stranger', 'other_ca', CLIENT)
        self.issue('hostile', 'other_ca', CLIENT, subject=f'/O={HOSTILE}/CN={HOSTILE}')
        self.issue('revoked', 'ca', CLIENT)
        self.issue('server_only', 'ca', LEAF + 'keyUsage = critical, digitalSignature\nextendedKeyUsage = serverAuth\n')
        self.issue('v1', 'ca', '')
        self.revoke('revoked', 'ca')


def load(folder=None):
    """The certificates of this run; made when the folder has none, or old ones, or ones of another version of this file."""
    folder = folder or os.path.join(os.environ.get('HTTPSYS_BUILD', tempfile.gettempdir()), f'test-certificates-{os.getuid()}')
    with open(__file__, 'rb') as file:
        version = hashlib.sha256(file.read()).hexdigest()
    stamp = os.path.join(folder, 'made-by')
    with open(f'{folder}.lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):
            with open(stamp, encoding='ascii') as file:
                if file.read() == version and time.time() - os.stat(stamp).st_mtime < LIFETIME:
                    return Certificates(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder, 0o700)
        maker = Maker(folder)
        maker.everything()
        maker.write('made-by', version)
    return Certificates(folder)
