"""The TLS context of a client's settings."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

import httpcore

from triton_otel.errors import ConfigError
from triton_otel.wire.resumption import ResumingContext

if TYPE_CHECKING:
    from triton_otel.options import TlsConfig

__all__ = ["tls_context"]

logger = logging.getLogger("triton_otel.client")


def tls_context(config: TlsConfig) -> ssl.SSLContext:
    """Return the context, which resumes sessions, reading the files that the settings name.

    Parameters:
        config: The settings; without ``ca_file`` the system's authorities and certifi's are trusted.

    Raises:
        ConfigError: A file cannot be read or used; the text names the option and the file.
    """
    if config.ca_file is None:
        context = ResumingContext.of(httpcore.default_ssl_context())
    else:
        context = ResumingContext()
        try:
            context.load_verify_locations(config.ca_file)
        except OSError as error:
            raise ConfigError(
                f"tls-ca-file: {config.ca_file!r} cannot be used ({error}); it must be a PEM file of authorities"
            ) from error
    if config.cert_file is not None:
        try:
            # Without a password OpenSSL would ask for one at the terminal, and wait.
            context.load_cert_chain(config.cert_file, config.key_file, config.key_password or str)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"tls-cert-file, tls-key-file: {config.cert_file!r}, {config.key_file!r} cannot be used ({error}); "
                "they must be PEM files of a certificate and of its key, with tls-key-password if that is encrypted"
            ) from None
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        logger.warning("tls-verify is false: the server's certificate is not verified, anybody can answer in its place")
    return context
