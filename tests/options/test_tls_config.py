from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from triton_otel.errors import ConfigError
from triton_otel.options import TlsConfig


def test_defaults() -> None:
    assert dataclasses.asdict(TlsConfig()) == {
        "ca_file": None,
        "cert_file": None,
        "key_file": None,
        "key_password": None,
        "verify": True,
        "server_name": None,
    }


def test_equal_settings_are_equal_and_of_equal_hash() -> None:
    first = TlsConfig(ca_file="ca.pem", cert_file="c.pem", key_password="s3cret")
    second = TlsConfig(ca_file=Path("ca.pem"), cert_file="c.pem", key_password="s3cret")
    assert first == second
    assert hash(first) == hash(second)


def test_another_password_is_another_setting() -> None:
    first = TlsConfig(cert_file="c.pem", key_password="s3cret")
    assert first != TlsConfig(cert_file="c.pem", key_password="other")
    assert first != TlsConfig(cert_file="c.pem")


def test_the_password_can_be_given_as_a_password_callback() -> None:
    password = TlsConfig(cert_file="c.pem", key_password="s3cret").key_password
    assert callable(password)
    assert password() == password.reveal() == "s3cret"
    assert not inspect.signature(password).parameters


def test_replace_keeps_the_password() -> None:
    config = TlsConfig(cert_file="c.pem", key_password="s3cret")
    changed = dataclasses.replace(config, verify=False)
    assert changed.key_password == config.key_password
    assert changed.verify is False


@pytest.mark.parametrize("wrong", [{"key_file": "k.pem"}, {"key_password": "s3cret"}])
def test_a_key_without_a_certificate_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="is set but tls-cert-file is not"):
        TlsConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"verify": "yes"}, {"verify": 0}, {"server_name": ""}, {"ca_file": 5}, {"key_password": ""}]
)
def test_wrong_values_are_refused_by_name(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"^tls_{name}: "):
        TlsConfig(**wrong)  # type: ignore[arg-type]
