# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of the tests' own, and a server certificate for 127.0.0.1, by openssl."""
import os
import ssl
import subprocess

EXTENSIONS = "subjectAltName=IP:127.0.0.1,DNS:localhost"


class Certificates:
    """Files made in `directory`: ca.pem for clients, server.pem and server.key for the server."""

    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self._directory = directory
        self.ca_file = self._path("ca.pem")
        self.certificate_file, self.key_file = self._path("server.pem"), self._path("server.key")
        if not os.path.exists(self.certificate_file):
            self._make()

    def _path(self, name):
        return os.path.join(self._directory, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=self._directory,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def _make(self):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
                      "-subj", "/CN=millrace test CA", "-addext", "keyUsage=critical,keyCertSign")
        self._openssl("req", "-new", *key, "-keyout", "server.key", "-out", "server.csr",
                      "-subj", "/CN=127.0.0.1", "-addext", EXTENSIONS)
        self._openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                      "-CAcreateserial", "-days", "30", "-out", "server.new",
                      "-copy_extensions", "copy")
        os.rename(self._path("server.new"), self.certificate_file)

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context
