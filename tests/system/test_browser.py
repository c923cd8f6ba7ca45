#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser is asked for its user's certificate on demand, over a record that leaves TLS 1.3 out: no browser has post-handshake
authentication. The program that asks is the sample."""

import harness


class Browser(harness.SystemTest):
    def start(self, *words):
        port = harness.free_port()
        self.import_server(f'127.0.0.1:{port}', *words)
        application = self.application('tools/samples/whoami', f'https://localhost:{port}/')
        application.expect('^whoami: pid')
        return f'https://localhost:{port}'

    def test_on_demand(self):
        self.ctl('import', 'ca', f'certfile={self.certificates.ca}')
        url = self.start('disabletls13=enable')
        visit = self.browser(f'{url}/whoami', credential=self.certificates.clients['good'])
        for line in ('subject          CN=Alice,O=httpsys tests', 'chain            verified',
                     'obtained         on demand, TLS 1.2 renegotiation'):
            self.assertIn(line, visit.page, visit.describe())
        self.assertNotIn('on demand', self.browser(f'{url}/', credential=self.certificates.clients['good']).page)
        # Without one in its store.
        self.assertIn('1168', self.browser(f'{url}/whoami').page)

    def test_tls13(self):
        """It does not offer the extension, so it can't be asked, and is told so."""
        url = self.start()
        self.assertIn('error 50', self.browser(f'{url}/whoami', credential=self.certificates.clients['good']).page)


if __name__ == '__main__':
    harness.main()
