from __future__ import annotations

import pytest

from triton_otel.errors import ConfigError
from triton_otel.options import OPTIONS, ClientConfig, by_key, nearest_key


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("conection-pool-max-idle", "connection-pool-max-idle"),
        ("connection-pool-max-idel", "connection-pool-max-idle"),
        ("connection-pool-keepalive", "connection-pool-keep-alive"),
        ("max_idle", "connection-pool-max-idle"),
        ("max-total", "connection-pool-max-total"),
        ("keep-alive", "connection-pool-keep-alive"),
        ("Endpoint", "endpoint"),
        ("time-out", "timeout"),
        ("model_name", "model-name"),
        ("telemetry-metrics", "telemetry.metrics"),
        ("telemetry.log_fallback", "telemetry.log-fallback"),
        ("headers", "custom-headers"),
        ("auth-tokn", "auth-token"),
        ("authtoken", "auth-token"),
        ("password", "tls-key-password"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_valid_one(wrong: str, right: str) -> None:
    assert nearest_key(wrong) == right
    with pytest.raises(ConfigError) as caught:
        ClientConfig.from_options({"endpoint": "triton:8000", wrong: "5"}, environ={})
    assert f"unknown option '{wrong}' (did you mean '{right}'?)" in str(caught.value)


@pytest.mark.parametrize("wrong", ["zzzzzz", "", "x", "🙂", "max-retries", "quality"])
def test_nothing_is_suggested_where_nothing_is_near(wrong: str) -> None:
    with pytest.raises(ConfigError, match="unknown option") as caught:
        ClientConfig.from_options({wrong: "5"}, environ={})
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("wrong", [5, None, ("endpoint",), b"endpoint"])
def test_a_key_that_is_no_text_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="instead of text"):
        ClientConfig.from_options({wrong: "5"}, environ={})  # type: ignore[dict-item]


def test_all_unknown_keys_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"'timeot'.*'endpont'"):
        ClientConfig.from_options({"timeot": "5", "endpont": "x"}, environ={})


def test_an_unknown_key_is_refused_even_when_its_value_is_none() -> None:
    with pytest.raises(ConfigError, match="unknown option 'timeot'"):
        ClientConfig.from_options({"endpoint": "triton", "timeot": None}, environ={})


def test_every_key_is_its_own_nearest() -> None:
    for option in OPTIONS:
        assert nearest_key(option.key) == option.key
        assert by_key(option.key) is option


def test_by_key_knows_no_other_key() -> None:
    with pytest.raises(KeyError):
        by_key("compression-level")
