#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes what fuzz-certificates starts from: certificates.h, with the CAs and what is genuine, and corpus/certificates.pack.

make_certificates.py      from any folder; needs openssl. The keys are thrown away, so nobody can sign what the target takes for forged.

Run by hand, when it shall have a certificate more. What libFuzzer has found is lost then: it has the former keys' signatures.
"""
import hashlib
import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
AUTHORITY = 'basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\nsubjectKeyIdentifier = hash\n'
CLIENT = ('basicConstraints = CA:FALSE\nkeyUsage = critical,digitalSignature\nextendedKeyUsage = clientAuth\n'
          'authorityKeyIdentifier = keyid\n')
EXTENSIONS = {
    'root': AUTHORITY,
    'sub': AUTHORITY.replace('TRUE', 'TRUE,pathlen:0') + 'authorityKeyIdentifier = keyid\n',
    'limited': AUTHORITY + 'nameConstraints = critical,permitted;email:inside.test\n',
    'client': CLIENT,
    'inside': CLIENT + 'subjectAltName = email:alice@inside.test\n',
    'outside': CLIENT + 'subjectAltName = email:mallory@outside.test\n',
    'points': CLIENT + 'crlDistributionPoints = URI:http://a.test/a.crl\nauthorityInfoAccess = OCSP;URI:http://a.test\n'
                       'certificatePolicies = 1.3.6.1.4.1.32473.2\nsubjectAltName = DNS:a.test,email:a@a.test,URI:http://a.test,IP:::1\n',
    'server': CLIENT.replace('client', 'server'),
    'big': 'extendedKeyUsage = clientAuth\n1.3.6.1.4.1.32473.1 = DER:04:82:17:70' + ':61' * 6000 + '\n',
}
CONFIG = '''[ca]
default_ca = d
[d]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
default_md = sha256
policy = p
unique_subject = no
[p]
organizationName = optional
organizationalUnitName = optional
commonName = supplied
[req]
distinguished_name = n
[n]
''' + ''.join(f'[{name}]\n{text}' for name, text in EXTENSIONS.items())
KEYS = {'P-256': ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'P-384': ['EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
        'rsa': ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'ed25519': ['ed25519']}
FIRST, LAST = '20250101000000Z', '20510101000000Z'
# Which CAs and lists the target has: its trusts, a bit each.
ROOT, ROOTS, LISTS, SUB, NAMESAKES = (1 << number for number in range(5))
ALL = 63  # and one with nothing


def openssl(*args):
    subprocess.run(['openssl', *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=True)


def ca(issuer, *args):
    openssl('ca', '-batch', '-notext', '-config', 'ca.cnf', '-keyfile', issuer + '.key', *args)


def issue(name, issuer, extensions='client', kind='P-256', subject=None, last=LAST):
    openssl('genpkey', '-algorithm', *KEYS[kind], '-out', name + '.key')
    openssl('req', '-new', '-utf8', '-config', 'ca.cnf', '-key', name + '.key', '-out', name + '.csr', '-subj',
            subject or f'/O=httpsys fuzz/CN={name}')
    ca(issuer or name, *(['-cert', issuer + '.crt'] if issuer else ['-selfsign']), '-in', name + '.csr', '-out', name + '.crt',
       '-extensions', extensions, '-startdate', FIRST, '-enddate', last)


def issue_all():
    """What clients send: the list of names, and who trusts it."""
    issue('root', None, 'root')
    issue('rsa_root', None, 'root', 'rsa')
    issue('namesake', None, 'root', subject='/O=httpsys fuzz/CN=root')
    issue('sub', 'root', 'sub')
    issue('limited', 'root', 'limited')
    below_root = ROOT | ROOTS | LISTS | NAMESAKES
    rows = []

    def client(trusts, name, issuer, *args, chain=(), **options):
        issue(name, issuer, *args, **options)
        rows.append(([name, *chain], trusts))

    client(below_root, 'ec', 'root')
    client(below_root, 'p384', 'root', kind='P-384')
    client(below_root, 'ed25519', 'root', kind='ed25519')
    client(ROOTS | LISTS, 'rsa', 'rsa_root', kind='rsa')
    client(below_root, 'points', 'root', 'points')
    client(below_root, 'long', 'root', subject='/O=' + 'o' * 60 + ''.join(f'/OU={n}' + 'ü"\n' * 15 for n in range(20)) + '/CN=' + 'n' * 60)
    client(below_root, 'big', 'root', 'big')
    client(below_root & ~LISTS | SUB, 'chain', 'sub', chain=['sub'])
    client(below_root & ~LISTS, 'inside', 'limited', 'inside', chain=['limited'])
    client(0, 'outside', 'limited', 'outside', chain=['limited'])
    client(below_root & ~LISTS, 'revoked', 'root')
    client(NAMESAKES, 'stranger', 'namesake')
    client(0, 'expired', 'root', last='20250201000000Z')
    client(0, 'server', 'root', 'server')
    client(0, 'selfsigned', None)
    rows.append((['sub', 'root'], 0))
    ca('root', '-cert', 'root.crt', '-revoke', 'revoked.crt')
    for issuer in ('root', 'rsa_root'):
        ca(issuer, '-cert', issuer + '.crt', '-gencrl', '-crl_lastupdate', FIRST, '-crl_nextupdate', LAST, '-out', issuer + '.crl')
    return rows


def der(name):
    return subprocess.run(['openssl', 'x509', '-in', name + '.crt', '-outform', 'DER'], stdout=subprocess.PIPE, check=True).stdout


def elements(data):
    while data:
        count = data[1] & 0x7f if data[1] & 0x80 else 0
        length = int.from_bytes(data[2:2 + count], 'big') if count else data[1]
        yield data[:2 + count + length]
        data = data[2 + count + length:]


def forgeries(rows):
    """Other bytes with a signature that wolfSSL finds good: RSA's algorithm without NULL, bits said to be unused."""
    rsa = der('rsa')
    body, algorithm, signature = elements(rsa[4:])
    shorter = bytes([0x30, algorithm[1] - 2]) + algorithm[2:-2]
    yield rsa[:2] + len(body + shorter + signature).to_bytes(2, 'big') + body + shorter + signature
    for names, trusts in rows:
        data = bytearray(der(names[0]))
        if trusts and data[-1] % 2 == 0:
            signature = list(elements(data[4:]))[2]
            data[len(data) - len(signature) + (4 if signature[1] == 0x82 else 2)] = 1
            yield bytes(data)
            return
    raise ValueError('no certificate has a signature that ends in an even byte: once more')


def write_header(rows):
    text = '''// SPDX-License-Identifier: GPL-3.0-or-later
// The CAs of fuzz-certificates, and what is genuine: written by make_certificates.py.
#pragma once
#include <cstdint>

namespace httpsys::fuzz {

'''
    for name, file in (('Root', 'root.crt'), ('RsaRoot', 'rsa_root.crt'), ('Namesake', 'namesake.crt'), ('Sub', 'sub.crt'),
                       ('List', 'root.crl'), ('RsaList', 'rsa_root.crl')):
        text += f'inline constexpr char k{name}[] = R"({pathlib.Path(file).read_text()})";\n'
    text += '''
struct Genuine {
  const char *list; // thumbprints, leaf first, a space before each
  unsigned trusts; // those that find it good, a bit each
};

inline constexpr Genuine kGenuine[] = {
'''
    for names, trusts in rows:
        thumbprints = ''.join(' ' + hashlib.sha1(der(name)).hexdigest() for name in names)
        text += f'  {{"{thumbprints}", {trusts:#04x}}}, // {names[0]}\n'
    (HERE / 'certificates.h').write_text(text + '};\n\n}\n')


def write_corpus(rows, folder):
    folder.mkdir()
    for number, (names, _) in enumerate(rows):
        pieces = [der(name) for name in names]
        lengths = [len(piece) for piece in pieces[:-1]] + [0]  # the last one is the rest: it may grow
        text = b''.join(length.to_bytes(2, 'little') + piece for length, piece in zip(lengths, pieces))
        (folder / names[0]).write_bytes(bytes([ALL, (0, 2, 6)[number % 3]]) + text)
    for number, forged in enumerate(forgeries(rows)):
        (folder / f'forged{number}').write_bytes(bytes([ALL, 0, 0, 0]) + forged)
    for opener in range(3):
        (folder / f'ticket{opener}').write_bytes(bytes([opener, 1]) + bytes(66 + 100))
    subprocess.run([HERE / 'corpus.py', 'pack', folder, HERE / 'corpus' / 'certificates.pack'], check=True)


def main():
    with tempfile.TemporaryDirectory(prefix='hsys-') as folder:
        os.chdir(folder)
        pathlib.Path('ca.cnf').write_text(CONFIG, encoding='utf-8')
        pathlib.Path('index.txt').touch()
        pathlib.Path('serial').write_text('1000\n', encoding='ascii')
        pathlib.Path('crlnumber').write_text('01\n', encoding='ascii')
        rows = issue_all()
        write_header(rows)
        write_corpus(rows, pathlib.Path('corpus'))
        os.chdir('/')


if __name__ == '__main__':
    main()
