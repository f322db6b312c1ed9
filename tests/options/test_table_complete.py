from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING

from triton_otel.options import OPTIONS, ClientConfig, ConnectionPoolConfig, TelemetryConfig, TlsConfig
from triton_otel.options.table import options_of

if TYPE_CHECKING:
    from triton_otel.options.option import Group, Option

KEYS = [
    "endpoint",
    "provider",
    "model-name",
    "model-version",
    "timeout",
    "auth-token",
    "custom-headers",
    "proxy",
    "compression",
    "max-response-size",
    "connection-pool-max-idle",
    "connection-pool-keep-alive",
    "connection-pool-max-total",
    "connection-timeout",
    "connection-reuse-enabled",
    "connection-pool-monitoring-enabled",
    "connection-pool-stats-interval",
    "connection-max-lifetime",
    "connection-pool-queue-timeout",
    "connection-pool-max-queued",
    "connection-pool-warm-up",
    "pool-name",
    "tls-ca-file",
    "tls-cert-file",
    "tls-key-file",
    "tls-key-password",
    "tls-verify",
    "tls-server-name",
    "telemetry.metrics",
    "telemetry.spans",
    "telemetry.propagation",
    "telemetry.log-fallback",
]

BASIC = [
    "endpoint",
    "model-name",
    "model-version",
    "timeout",
    "connection-pool-max-idle",
    "connection-pool-keep-alive",
    "connection-pool-max-total",
    "connection-timeout",
    "connection-reuse-enabled",
    "connection-pool-monitoring-enabled",
]


def fields_of(group: Group) -> set[str]:
    return {option.field for option in options_of(group)}


def names_of(configuration: type) -> set[str]:
    return {field.name for field in dataclasses.fields(configuration)}


def test_the_table_has_exactly_these_keys() -> None:
    assert sorted(option.key for option in OPTIONS) == sorted(KEYS)


def test_the_basic_section_has_exactly_these_keys() -> None:
    assert sorted(option.key for option in OPTIONS if option.section == "basic") == sorted(BASIC)


def test_every_field_has_its_option_and_the_other_way_round() -> None:
    assert fields_of("pool") == names_of(ConnectionPoolConfig)
    assert fields_of("tls") == names_of(TlsConfig)
    assert fields_of("telemetry") == names_of(TelemetryConfig)
    own = names_of(ClientConfig) - {"pool", "tls", "telemetry", "credentials"} | {"auth_token", "headers"}
    assert fields_of("client") == own


def test_every_keyword_argument_has_its_option_and_the_other_way_round() -> None:
    arguments = set(inspect.signature(ClientConfig.from_arguments).parameters) - {"pool", "environ"}
    assert arguments == {option.argument for option in OPTIONS if option.argument}
    assert set(inspect.signature(ConnectionPoolConfig).parameters) == fields_of("pool")
    assert set(inspect.signature(TlsConfig).parameters) == fields_of("tls")


def test_environment_variables_are_made_of_the_keys_and_differ() -> None:
    names = {option.key: option.environment for option in OPTIONS}
    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(r"TRITON_OTEL_[A-Z]+(_[A-Z]+)*", name) for name in names.values())
    assert names["telemetry.log-fallback"] == "TRITON_OTEL_TELEMETRY_LOG_FALLBACK"
    assert names["connection-pool-max-idle"] == "TRITON_OTEL_CONNECTION_POOL_MAX_IDLE"


def test_every_default_is_a_valid_value() -> None:
    def normalised(option: Option) -> object:
        return option.read(option.default, option.key)

    defaults = {option.key: normalised(option) for option in OPTIONS if option.default is not None}
    assert defaults == {option.key: option.default_value for option in OPTIONS if option.default is not None}
    assert defaults["connection-pool-keep-alive"] == 300.0


def test_the_defaults_of_the_classes_are_those_of_the_table() -> None:
    for group, part in (("tls", TlsConfig()), ("telemetry", TelemetryConfig())):
        for option in options_of(group):  # type: ignore[arg-type]
            assert getattr(part, option.field) == option.default_value


def test_secrets_are_marked() -> None:
    assert {option.key for option in OPTIONS if option.secret} == {
        "auth-token",
        "custom-headers",
        "proxy",
        "tls-key-password",
    }


def test_every_option_says_what_it_does_and_what_is_valid() -> None:
    for option in OPTIONS:
        assert option.text.endswith(".")
        assert option.valid
        assert option.default_text
        assert option.since
