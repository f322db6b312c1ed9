from __future__ import annotations

from datetime import timedelta

import pytest

from triton_otel.errors import ConfigError
from triton_otel.options import OPTIONS, ClientConfig, ConnectionPoolConfig
from triton_otel.options.kinds import TEXT
from triton_otel.options.option import Option
from triton_otel.options.sources import collect, given_options

ENDPOINT = "http://triton:8000"

# One valid value per key that is not the default, as text, and what it is in the configuration.
SAMPLES: dict[str, tuple[str, object]] = {
    "endpoint": ("other:9000", "http://other:9000"),
    "model-name": ("sentiment", "sentiment"),
    "model-version": ("3", "3"),
    "timeout": ("7 s", 7.0),
    "connection-timeout": ("1500 ms", 1.5),
    "connection-pool-max-total": ("40", 40),
    "connection-pool-max-idle": ("30", 30),
    "connection-pool-keep-alive": ("1 min", 60.0),
    "connection-reuse-enabled": ("false", False),
    "connection-pool-monitoring-enabled": ("TRUE", True),
    "auth-token": ("t0ken", "t0ken"),
    "custom-headers": ("X-A:1,X-B:2", (("X-A", "1"), ("X-B", "2"))),
    "proxy": ("socks5://proxy", "socks5://proxy:1080"),
    "compression": ("GZIP", "gzip"),
    "max-response-size": ("64 kB", 64_000),
    "pool-name": ("scoring", "scoring"),
    "connection-max-lifetime": ("PT10M", 600.0),
    "connection-pool-queue-timeout": ("2 s", 2.0),
    "connection-pool-max-queued": ("0", 0),
    "connection-pool-warm-up": ("3", 3),
    "connection-pool-stats-interval": ("1 s", 1.0),
    "tls-ca-file": ("ca.pem", "ca.pem"),
    "tls-cert-file": ("c.pem", "c.pem"),
    "tls-key-file": ("k.pem", "k.pem"),
    "tls-key-password": ("pass", "pass"),
    "tls-verify": ("false", False),
    "tls-server-name": ("triton.test", "triton.test"),
    "telemetry.metrics": ("off", "off"),
    "telemetry.spans": ("off", "off"),
    "telemetry.propagation": ("sampled", "sampled"),
    "telemetry.log-fallback": ("always", "always"),
}
SETTABLE = [option for option in OPTIONS if option.field]


def value_of(config: ClientConfig, option: Option) -> object:
    part = config if option.group == "client" else getattr(config, option.group)
    value = getattr(part, option.field)
    if option.key in ("endpoint", "proxy"):
        return str(value)
    return value.reveal() if option.key == "tls-key-password" and value is not None else value


def beside(option: Option) -> dict[str, str]:
    needed = {} if option.key == "endpoint" else {"endpoint": ENDPOINT}
    return {**needed, "tls-cert-file": "c.pem"} if option.key.startswith("tls-key") else needed


def test_there_is_a_sample_for_every_option() -> None:
    assert set(SAMPLES) == {option.key for option in SETTABLE}


@pytest.mark.parametrize("option", SETTABLE, ids=lambda option: option.key)
def test_every_option_can_be_set_by_key(option: Option) -> None:
    text, expected = SAMPLES[option.key]
    assert value_of(ClientConfig.from_options({**beside(option), option.key: text}, environ={}), option) == expected


@pytest.mark.parametrize("option", SETTABLE, ids=lambda option: option.key)
def test_every_option_can_be_set_by_its_environment_variable(option: Option) -> None:
    text, expected = SAMPLES[option.key]
    environ = {option.environment: text}
    assert value_of(ClientConfig.from_options(beside(option), environ=environ), option) == expected


@pytest.mark.parametrize("option", SETTABLE, ids=lambda option: option.key)
def test_every_option_can_be_set_by_keyword(option: Option) -> None:
    text, expected = SAMPLES[option.key]
    arguments: dict[str, object] = {key.replace("-", "_"): value for key, value in beside(option).items()}
    if option.argument is None:
        arguments["pool"] = ConnectionPoolConfig(**{option.field: text})  # type: ignore[arg-type]
    else:
        arguments[option.argument] = text
    assert value_of(ClientConfig.from_arguments(**arguments, environ={}), option) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("option", SETTABLE, ids=lambda option: option.key)
def test_what_is_given_comes_before_the_environment(option: Option) -> None:
    text, expected = SAMPLES[option.key]
    given = {**beside(option), option.key: text}
    # A value that is not even looked at may be without sense.
    config = ClientConfig.from_options(given, environ={option.environment: "\n"})
    assert value_of(config, option) == expected


def test_an_unset_field_of_the_pool_argument_is_looked_up_in_the_environment() -> None:
    environ = {
        "TRITON_OTEL_CONNECTION_REUSE_ENABLED": "false",
        "TRITON_OTEL_CONNECTION_POOL_MAX_TOTAL": "50",
        "TRITON_OTEL_CONNECTION_POOL_MAX_IDLE": "7",
    }
    config = ClientConfig.from_arguments(ENDPOINT, pool=ConnectionPoolConfig(max_idle=9), environ=environ)
    assert (config.pool.max_idle, config.pool.max_total, config.pool.reuse) == (9, 50, False)


def test_defaults() -> None:
    config = ClientConfig.from_options({"endpoint": ENDPOINT}, environ={})
    assert config == ClientConfig.from_arguments(ENDPOINT, environ={})
    assert config.timeout == 30.0
    assert config.pool == ConnectionPoolConfig().resolve(30)
    assert (config.pool_name, config.model_name, config.model_version) == (None, None, None)
    assert (config.auth_token, config.headers) == (None, ())


def test_text_and_real_values_mean_the_same() -> None:
    text = {"timeout": "30 s", "connection-pool-max-idle": "30", "connection-reuse-enabled": "true"}
    real = {"timeout": timedelta(seconds=30), "connection-pool-max-idle": 30, "connection-reuse-enabled": True}
    configs = {
        ClientConfig.from_options({"endpoint": ENDPOINT, "custom-headers": headers, **values}, environ={})
        for values, headers in ((text, "X-A:1"), (real, {"X-A": "1"}))
    }
    assert len(configs) == 1


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_OTEL_ENDPOINT", "from-environment:8000")
    assert ClientConfig.from_arguments().endpoint.host == "from-environment"
    assert ClientConfig.from_options({}).endpoint.host == "from-environment"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert ClientConfig.from_arguments(ENDPOINT, environ={"TRITON_OTEL_TIMEOUT": ""}).timeout == 30.0


def test_none_counts_as_not_given() -> None:
    config = ClientConfig.from_options(
        {"endpoint": ENDPOINT, "model-name": None}, environ={"TRITON_OTEL_MODEL_NAME": "m"}
    )
    assert config.model_name == "m"


def test_latest_given_comes_before_a_version_in_the_environment() -> None:
    environ = {"TRITON_OTEL_MODEL_VERSION": "3"}
    assert ClientConfig.from_arguments(ENDPOINT, model_version="latest", environ=environ).model_version is None


def test_an_error_names_the_place_of_the_value() -> None:
    with pytest.raises(ConfigError, match=r"^timeout: "):
        ClientConfig.from_arguments(ENDPOINT, timeout="soon", environ={})
    with pytest.raises(ConfigError, match=r"^connection-pool-max-idle: "):
        ClientConfig.from_options({"endpoint": ENDPOINT, "connection-pool-max-idle": "many"}, environ={})
    with pytest.raises(ConfigError, match=r"^TRITON_OTEL_TELEMETRY_LOG_FALLBACK: "):
        ClientConfig.from_arguments(ENDPOINT, environ={"TRITON_OTEL_TELEMETRY_LOG_FALLBACK": "yes"})


@pytest.mark.parametrize("options", [{}, {"endpoint": None}, {"model-name": "m"}])
def test_the_endpoint_is_required(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"endpoint is required.*TRITON_OTEL_ENDPOINT"):
        ClientConfig.from_options(options, environ={})


def test_provider_must_be_triton() -> None:
    assert ClientConfig.from_options({"endpoint": ENDPOINT, "provider": "triton"}, environ={}).timeout == 30.0
    for other in ("openai", "Triton", "", True):
        with pytest.raises(ConfigError, match=r"^provider: .* the only valid value is 'triton'"):
            ClientConfig.from_options({"endpoint": ENDPOINT, "provider": other}, environ={})


def test_limits_are_checked_across_sources() -> None:
    with pytest.raises(ConfigError, match="connection-timeout is 8 s but must be less than timeout, which is 5 s"):
        ClientConfig.from_arguments(ENDPOINT, timeout=5, environ={"TRITON_OTEL_CONNECTION_TIMEOUT": "8 s"})
    with pytest.raises(ConfigError, match="connection-pool-max-idle"):
        ClientConfig.from_arguments(
            ENDPOINT, pool=ConnectionPoolConfig(max_idle=9), environ={"TRITON_OTEL_CONNECTION_POOL_MAX_TOTAL": "5"}
        )


def test_two_authorizations_are_refused() -> None:
    with pytest.raises(ConfigError, match="both set") as caught:
        ClientConfig.from_arguments(ENDPOINT, auth_token="t0ken", headers={"authorization": "Basic x9"}, environ={})
    assert "t0ken" not in str(caught.value)
    assert "x9" not in str(caught.value)


@pytest.mark.parametrize("pool", [{"max_idle": 3}, 3, "pool"])
def test_a_pool_that_is_no_configuration_is_refused(pool: object) -> None:
    with pytest.raises(ConfigError, match="is not a ConnectionPoolConfig"):
        ClientConfig.from_arguments(ENDPOINT, pool=pool, environ={})  # type: ignore[arg-type]


def test_options_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(ConfigError, match="is not a mapping"):
        ClientConfig.from_options("endpoint=triton", environ={})  # type: ignore[arg-type]


def test_clients_that_differ_only_in_what_is_theirs_have_the_same_sharing_key() -> None:
    first = ClientConfig.from_arguments("a:1", model_name="m", auth_token="x", environ={})
    second = ClientConfig.from_arguments(
        "b:2", headers={"X-A": "1"}, pool=ConnectionPoolConfig(max_idle=20), environ={}
    )
    other = ClientConfig.from_arguments("a:1", pool=ConnectionPoolConfig(max_idle=21), environ={})
    assert first.sharing_key == second.sharing_key
    assert hash(first.sharing_key) == hash(second.sharing_key)
    assert other.sharing_key != first.sharing_key


@pytest.mark.parametrize(
    "different",
    [
        {"timeout": 29},
        {"tls_verify": False},
        {"tls_server_name": "x"},
        {"tls_cert_file": "c", "tls_key_password": "p"},
        {"pool_name": "p"},
    ],
)
def test_what_decides_how_sockets_behave_is_in_the_sharing_key(different: dict[str, object]) -> None:
    plain = ClientConfig.from_arguments(ENDPOINT, environ={})
    assert ClientConfig.from_arguments(ENDPOINT, environ={}, **different).sharing_key != plain.sharing_key  # type: ignore[arg-type]


def test_a_fallback_key_is_read_when_the_key_itself_is_not_given() -> None:
    table = (Option(key="new", field="new", kind=TEXT, section="basic", text="x", fallback_keys=("old", "older")),)
    assert collect(given_options({"older": "a"}, table), {}, table) == {"new": "a"}
    assert collect(given_options({"older": "a", "old": "b"}, table), {}, table) == {"new": "b"}
    assert collect(given_options({"older": "a", "new": "c"}, table), {}, table) == {"new": "c"}
