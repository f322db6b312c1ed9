"""The settings of a client, complete and checked: from options, from arguments, from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from triton_otel.errors import ConfigError
from triton_otel.options.endpoint import Endpoint
from triton_otel.options.headers import check_header
from triton_otel.options.parts import TelemetryConfig, TlsConfig
from triton_otel.options.pool import ConnectionPoolConfig
from triton_otel.options.secrets import Credentials
from triton_otel.options.sources import collect, given_options
from triton_otel.options.table import OPTIONS, by_key, options_of
from triton_otel.options.values import article

if TYPE_CHECKING:
    from triton_otel.options.durations import Duration
    from triton_otel.options.option import Group
    from triton_otel.options.proxy import ProxyAddress
    from triton_otel.options.sizes import Size
    from triton_otel.options.sources import Given

__all__ = ["ClientConfig", "ConnectionPoolConfig", "Endpoint", "TelemetryConfig", "TlsConfig", "check_header"]


@dataclass(frozen=True)
class ClientConfig:
    """Everything that a client needs to know; frozen, hashable, and without a way to show a secret.

    Made by :meth:`from_options` or :meth:`from_arguments`.  For both, what is given comes before the environment
    variable ``TRITON_OTEL_…`` of the option, and that before the default.

    Parameters:
        endpoint: Where the server is.
        timeout: Deadline of a call in seconds.
        pool: The pool's settings, resolved: no default is left to fill in.
        tls: Settings of TLS.
        telemetry: What is recorded and sent.
        pool_name: Name of the pool, or None for a generated one.
        model_name: The model of calls that name none, or None.
        model_version: Its version as digits, or None for what Triton's version policy decides.
        proxy: The proxy to go through, or None.
        compression: ``gzip`` or ``deflate``, or None.
        max_response_size: Limit of an answer's body in bytes, or None.
        credentials: Token and headers; read them through :attr:`auth_token` and :attr:`headers`.
    """

    endpoint: Endpoint
    timeout: float
    pool: ConnectionPoolConfig
    tls: TlsConfig
    telemetry: TelemetryConfig
    pool_name: str | None
    model_name: str | None
    model_version: str | None
    proxy: ProxyAddress | None
    compression: str | None
    max_response_size: int | None
    credentials: Credentials

    @property
    def auth_token(self) -> str | None:
        """The token for ``Authorization: Bearer``, in clear."""
        return self.credentials.auth_token

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that every request carries, in clear."""
        return self.credentials.headers

    @property
    def sharing_key(self) -> tuple[float, ConnectionPoolConfig, TlsConfig, ProxyAddress | None, str | None]:
        """What of these settings decides how sockets and numbers behave: equal ones can share a pool."""
        return self.timeout, self.pool, self.tls, self.proxy, self.pool_name

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, environ: Mapping[str, str] | None = None) -> ClientConfig:
        """Return the settings from a mapping of keys.

        Parameters:
            options: Keys of the option table to values; text as in Flink (``"30"``, ``"true"``, ``"5 min"``) or values
                of the type itself.  A value of None counts as not given.
            environ: Environment variables; None means the process's own.

        Raises:
            ConfigError: A key is unknown, a value is not valid, values contradict each other, or ``endpoint`` is
                missing.
        """
        return cls._build(given_options(options), {}, environ)

    @classmethod
    def from_arguments(
        cls,
        endpoint: str | None = None,
        *,
        timeout: Duration | None = None,
        pool: ConnectionPoolConfig | None = None,
        pool_name: str | None = None,
        model_name: str | None = None,
        model_version: str | int | None = None,
        headers: Mapping[str, str] | str | None = None,
        auth_token: str | None = None,
        proxy: str | None = None,
        compression: str | None = None,
        max_response_size: Size | None = None,
        tls_ca_file: str | os.PathLike[str] | None = None,
        tls_cert_file: str | os.PathLike[str] | None = None,
        tls_key_file: str | os.PathLike[str] | None = None,
        tls_key_password: str | None = None,
        tls_verify: bool | None = None,
        tls_server_name: str | None = None,
        telemetry_metrics: str | None = None,
        telemetry_spans: str | None = None,
        telemetry_propagation: str | None = None,
        telemetry_log_fallback: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> ClientConfig:
        """Return the settings from keyword arguments; None means not given.

        A field that *pool* leaves unset is looked up in the environment, then has its default.

        Parameters:
            endpoint: ``host:port`` or a URL.
            timeout: Deadline of a call: seconds, a ``timedelta`` or text.  Default 30 s.
            pool: Settings of the pool.
            pool_name: Name of the pool in metrics, spans and log.
            model_name: The model of calls that name none.
            model_version: Its version; ``latest`` sends none.
            headers: Headers that every request carries: a mapping or the text ``Name:value,Name:value``.
            auth_token: Token for ``Authorization: Bearer``.
            proxy: URL of an HTTP or SOCKS proxy.
            compression: ``gzip`` or ``deflate``.
            max_response_size: Limit of an answer's body: bytes, or text such as ``"64 MB"``.
            tls_ca_file, tls_cert_file, tls_key_file: PEM files: authorities to trust, client's certificate, its key.
            tls_key_password: Password of the key.
            tls_verify: Whether the server's certificate is verified.  Default True.
            tls_server_name: Name to ask for and to verify.
            telemetry_metrics: ``off``, ``basic`` (default) or ``full``.
            telemetry_spans: ``off``, ``basic`` (default), ``full`` or ``debug``.
            telemetry_propagation: ``always`` (default), ``sampled`` or ``off``.
            telemetry_log_fallback: ``auto`` (default), ``always`` or ``off``.
            environ: Environment variables; None means the process's own.

        Raises:
            ConfigError: A value is not valid, values contradict each other, or ``endpoint`` is missing.
        """
        arguments = locals()
        given = {
            option.key: (arguments[option.argument], option.argument)
            for option in OPTIONS
            if option.argument is not None and arguments[option.argument] is not None
        }
        return cls._build(given, _pool_fields(pool), environ)

    @classmethod
    def _build(cls, given: Given, pool: Mapping[str, object], environ: Mapping[str, str] | None) -> ClientConfig:
        chosen = dict(given)
        for option in options_of("pool"):
            if option.field in pool:
                chosen[option.key] = (pool[option.field], option.field)
        values = collect(chosen, os.environ if environ is None else environ)
        if "endpoint" not in values:
            variable = by_key("endpoint").environment
            raise ConfigError(
                f'endpoint is required: the address of the Triton server, for example "http://triton:8000"; give it as '
                f"the argument or option endpoint, or set {variable}"
            )
        timeout = values.get("timeout", by_key("timeout").default_value)
        token, headers = values.get("auth-token"), values.get("custom-headers", ())
        if token is not None and any(name.lower() == "authorization" for name, _ in headers):
            raise ConfigError("auth-token and the header Authorization of custom-headers are both set; leave one out")
        proxy, tls = values.get("proxy"), TlsConfig(**_fields(values, "tls"))
        if tls.server_name is not None and proxy is not None and proxy.scheme != "socks5":
            raise ConfigError(
                "tls-server-name and an HTTP proxy are both set; through that the server can only be asked for by the "
                "endpoint's host: leave tls-server-name out, or use a socks5:// proxy"
            )
        return cls(
            endpoint=values["endpoint"],
            timeout=timeout,
            pool=ConnectionPoolConfig(**_fields(values, "pool")).resolve(timeout),
            tls=tls,
            telemetry=TelemetryConfig(**_fields(values, "telemetry")),
            pool_name=values.get("pool-name"),
            model_name=values.get("model-name"),
            model_version=values.get("model-version"),
            proxy=proxy,
            compression=values.get("compression"),
            max_response_size=values.get("max-response-size"),
            credentials=Credentials(token, headers),
        )


def _pool_fields(pool: object) -> dict[str, object]:
    if pool is None:
        return {}
    if not isinstance(pool, ConnectionPoolConfig):
        raise ConfigError(
            f"pool: {article(pool)} is not a ConnectionPoolConfig; write pool=ConnectionPoolConfig(max_idle=30)"
        )
    return {name: value for name, value in vars(pool).items() if value is not None}


def _fields(values: Mapping[str, Any], group: Group) -> dict[str, Any]:
    return {option.field: values[option.key] for option in options_of(group) if option.key in values}
