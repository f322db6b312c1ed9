"""A certificate authority for tests, made once per process."""

from __future__ import annotations

import functools
import ssl

import trustme


@functools.lru_cache(maxsize=1)
def _authority() -> tuple[trustme.CA, trustme.LeafCert]:
    authority = trustme.CA()
    return authority, authority.issue_cert("localhost", "127.0.0.1")


def server_context() -> ssl.SSLContext:
    """Return a context for a server on 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority()[1].configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    """Return a context for a client that trusts the server."""
    context = ssl.create_default_context()
    _authority()[0].configure_trust(context)
    return context


def client_pem() -> str:
    """Return the authority's certificate as text."""
    return _authority()[0].cert_pem.bytes().decode()
