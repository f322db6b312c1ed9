"""Settings of TLS and of telemetry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from triton_otel.errors import ConfigError
from triton_otel.options.table import options_of

if TYPE_CHECKING:
    from triton_otel.options.secrets import Secret

__all__ = ["TelemetryConfig", "TlsConfig"]

_TLS = {option.field: option for option in options_of("tls")}
_TELEMETRY = {option.field: option for option in options_of("telemetry")}


@dataclass(frozen=True, init=False)
class TlsConfig:
    """Settings of TLS; frozen, hashable, and without a way to show the password.  No file is opened here.

    Parameters:
        ca_file: PEM file of the authorities to trust; None means the system's.
        cert_file: PEM file of the client's certificate.
        key_file: PEM file of its key; None means that *cert_file* holds it.
        key_password: Password of the key.  The field holds a :class:`~triton_otel.options.secrets.Secret`, which can be
            given to ``ssl.SSLContext.load_cert_chain`` as it is.
        verify: Whether the server's certificate and name are verified.
        server_name: Name to ask for and to verify; None means the endpoint's host.

    Raises:
        ConfigError: A value is not valid, or there is a key or a password without a certificate.
    """

    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    key_password: Secret | None
    verify: bool
    server_name: str | None

    def __init__(
        self,
        *,
        ca_file: str | os.PathLike[str] | None = None,
        cert_file: str | os.PathLike[str] | None = None,
        key_file: str | os.PathLike[str] | None = None,
        key_password: str | Secret | None = None,
        verify: bool | None = None,
        server_name: str | None = None,
    ) -> None:
        given = {
            "ca_file": ca_file,
            "cert_file": cert_file,
            "key_file": key_file,
            "key_password": key_password,
            "verify": verify,
            "server_name": server_name,
        }
        for name, value in given.items():
            option = _TLS[name]
            read = option.default_value if value is None else option.read(value, f"tls_{name}")
            object.__setattr__(self, name, read)
        if self.cert_file is None and (self.key_file is not None or self.key_password is not None):
            lonely = "tls-key-file" if self.key_file is not None else "tls-key-password"
            raise ConfigError(f"{lonely} is set but tls-cert-file is not; a key is of use only with its certificate")


@dataclass(frozen=True)
class TelemetryConfig:
    """What is recorded and sent; frozen and hashable.

    Parameters:
        metrics: Which metrics are recorded.
        spans: Which spans are recorded.
        propagation: Whether requests carry the trace context: always, only when sampled, or never.
        log_fallback: When the pool's numbers go to the log, if monitoring is on.

    Raises:
        ConfigError: A word is not one of the listed ones.
    """

    metrics: Literal["off", "basic", "full"] = "basic"
    spans: Literal["off", "basic", "full", "debug"] = "basic"
    propagation: Literal["always", "sampled", "off"] = "always"
    log_fallback: Literal["auto", "always", "off"] = "auto"

    def __post_init__(self) -> None:
        for name, option in _TELEMETRY.items():
            object.__setattr__(self, name, option.read(getattr(self, name), f"telemetry_{name}"))
