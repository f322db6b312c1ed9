from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable, Mapping

import pytest

from triton_otel.errors import ConfigError
from triton_otel.options import ClientConfig, Secret, TlsConfig, check_header

SECRET = "s3cret"
ENDPOINT = "http://triton:8000"


def chain(error: BaseException | None) -> str:
    """Everything that an exception says, and those it hangs on."""
    if error is None:
        return ""
    said = [str(error), repr(error), repr(error.args), repr(vars(error))]
    said += [chain(error.__cause__), chain(error.__context__)]
    return "\n".join([*said, "".join(traceback.format_exception_only(type(error), error))])


def assert_hidden_in_error(call: Callable[[], object], marker: str = SECRET) -> None:
    with pytest.raises(ConfigError) as caught:
        call()
    assert marker not in chain(caught.value)


@pytest.fixture
def config() -> ClientConfig:
    return ClientConfig.from_options(
        {
            "endpoint": ENDPOINT,
            "auth-token": f"{SECRET}-1",
            "custom-headers": {"X-Key": f"{SECRET}-2"},
            "tls-cert-file": "c.pem",
            "tls-key-password": f"{SECRET}-3",
        },
        environ={},
    )


def test_the_client_can_read_its_secrets(config: ClientConfig) -> None:
    assert config.auth_token == f"{SECRET}-1"
    assert config.headers == (("X-Key", f"{SECRET}-2"),)
    assert config.tls.key_password is not None
    assert config.tls.key_password.reveal() == f"{SECRET}-3"


@pytest.mark.parametrize(
    "dump",
    [
        repr,
        str,
        lambda config: f"{config} {config.tls} {config.credentials} {config.tls.key_password}",
        lambda config: f"{config!s:>10} {config.tls.key_password:>10}",
        pprint.pformat,
        lambda config: repr(dataclasses.asdict(config)),
        lambda config: json.dumps(dataclasses.asdict(config), default=str),
        lambda config: json.dumps(dataclasses.asdict(config), default=repr),
        lambda config: repr(dataclasses.astuple(config)),
        lambda config: repr(vars(config)),
        lambda config: repr(vars(config.tls)),
        lambda config: repr(config.sharing_key),
        lambda config: repr([getattr(config, field.name) for field in dataclasses.fields(config)]),
        lambda config: "%s %r" % (config, config.credentials),  # noqa: UP031
    ],
)
def test_no_dump_shows_a_secret(config: ClientConfig, dump: Callable[[object], str]) -> None:
    try:
        text = dump(config)
    except TypeError as error:
        text = chain(error)
    assert SECRET not in text
    assert text


def test_no_log_record_shows_a_secret(config: ClientConfig, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("triton_otel.test").info("%s %r %s", config, config, config.tls.key_password)
    assert "Credentials(auth_token=***, headers=1 hidden)" in caplog.text
    assert SECRET not in caplog.text


def test_copies_pickles_and_replacements_keep_the_secrets(config: ClientConfig) -> None:
    for other in (copy.deepcopy(config), copy.copy(config), pickle.loads(pickle.dumps(config))):
        assert other == config
        assert hash(other) == hash(config)
        assert other.auth_token == config.auth_token
    changed = dataclasses.replace(config, timeout=5.0)
    assert (changed.auth_token, changed.headers, changed.tls) == (config.auth_token, config.headers, config.tls)


def test_other_secrets_are_other_settings(config: ClientConfig) -> None:
    def build(**arguments: object) -> ClientConfig:
        return ClientConfig.from_arguments(ENDPOINT, environ={}, **arguments)  # type: ignore[arg-type]

    assert build(auth_token="a") != build(auth_token="b")
    assert build(headers={"X-A": "a"}) != build(headers={"X-A": "b"})
    assert build(auth_token="a") == build(auth_token="a")


@pytest.mark.parametrize(
    "key",
    [
        "auth-tokn",
        "authtoken",
        "auth_token",
        "password",
        "tls-key-pasword",
        "custom-header",
        "api-key",
        "x",
        "Authorization: Bearer " + SECRET,
        f"auth-token={SECRET}",
        f"auth-token\n{SECRET}",
        "k" * 100 + SECRET,
    ],
)
@pytest.mark.parametrize("value", [SECRET, {"Authorization": SECRET}, [SECRET], SECRET.encode(), Secret(SECRET)])
def test_the_value_of_an_unknown_key_is_in_no_error(key: str, value: object) -> None:
    assert_hidden_in_error(lambda: ClientConfig.from_options({"endpoint": ENDPOINT, key: value}, environ={}))


@pytest.mark.parametrize(
    "options",
    [
        {"auth-token": f"{SECRET}\n"},
        {"auth-token": f" {SECRET}"},
        {"auth-token": f"{SECRET}\r\nHost: evil"},
        {"auth-token": f"{SECRET}ä"},
        {"auth-token": SECRET.encode()},
        {"auth-token": [SECRET]},
        {"auth-token": {SECRET: SECRET}},
        {"custom-headers": f"X-A:{SECRET}\n"},
        {"custom-headers": f"X-A:1,{SECRET}"},
        {"custom-headers": f"X-A:1,a {SECRET}:tail"},
        {"custom-headers": f"X-A:1,{SECRET}:ta\nil"},
        {"custom-headers": f"X-A:1,{SECRET}:1,{SECRET}:2"},
        {"custom-headers": SECRET},
        {"custom-headers": {"X-A": f"{SECRET}\0"}},
        {"custom-headers": {"X-A": SECRET.encode()}},
        {"custom-headers": {"X-A": [SECRET]}},
        {"custom-headers": {f"Authorization: Bearer {SECRET}": ""}},
        {"custom-headers": {"Host": SECRET}},
        {"custom-headers": [("X-A", SECRET)]},
        {"custom-headers": SECRET.encode()},
        {"tls-key-password": [SECRET]},
        {"tls-key-password": SECRET.encode()},
        {"tls-key-password": SECRET},
        {"tls-key-file": f"-----BEGIN PRIVATE KEY-----{SECRET}"},
        {"endpoint": f"http://user:{SECRET}@triton"},
        {"auth-token": SECRET, "timeout": "soon"},
        {"auth-token": SECRET, "custom-headers": f"authorization:{SECRET}"},
    ],
)
def test_a_wrong_secret_is_in_no_error(options: Mapping[str, object]) -> None:
    assert_hidden_in_error(lambda: ClientConfig.from_options({"endpoint": ENDPOINT, **options}, environ={}))


@pytest.mark.parametrize("variable", ["TRITON_OTEL_AUTH_TOKEN", "TRITON_OTEL_CUSTOM_HEADERS"])
def test_a_wrong_secret_in_the_environment_is_in_no_error(variable: str) -> None:
    assert_hidden_in_error(lambda: ClientConfig.from_options({"endpoint": ENDPOINT}, environ={variable: f"{SECRET}\n"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-A", f"{SECRET}\r\n"), ("X-A", f" {SECRET}"), (f"X-A: {SECRET}", "v"), ("Host", SECRET), ("X-A", [SECRET])],
)
def test_the_value_of_a_header_is_in_no_error(name: str, value: str) -> None:
    assert_hidden_in_error(lambda: check_header(name, value, option="headers"))


def test_a_secret_cannot_be_changed() -> None:
    secret = Secret(SECRET)
    with pytest.raises(AttributeError) as caught:
        secret._value = "x"
    assert SECRET not in chain(caught.value)
    with pytest.raises(AttributeError):
        ClientConfig.from_arguments(ENDPOINT, environ={}).credentials._headers = ()


def test_a_secret_is_not_its_text() -> None:
    assert Secret(SECRET) != SECRET
    assert Secret(SECRET) == Secret(SECRET)
    assert TlsConfig(cert_file="c", key_password=Secret(SECRET)) == TlsConfig(cert_file="c", key_password=SECRET)
    assert ClientConfig.from_arguments(ENDPOINT, environ={}).credentials != ()
