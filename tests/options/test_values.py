from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triton_otel.errors import ConfigError
from triton_otel.options.values import read_bool, read_choice, read_int, read_path, read_text, read_version, show


@pytest.mark.parametrize(
    ("value", "number"), [(30, 30), ("30", 30), (" 30 ", 30), ("+3", 3), (np.int64(7), 7), (0, 0), ("0", 0)]
)
def test_whole_numbers(value: object, number: int) -> None:
    result = read_int(value, "max_idle", minimum=0)
    assert result == number
    assert type(result) is int


@pytest.mark.parametrize(
    "value", ["", "x", "3.0", "1e3", "0x1f", "1_000", "\u0663", "9" * 19, 3.0, True, False, b"3", [3], np.array([1, 2])]
)
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^max_idle: .* is not a whole number"):
        read_int(value, "max_idle", minimum=0)


@pytest.mark.parametrize(("value", "minimum"), [(-1, 0), ("-1", 0), (0, 1), (-(10**400), 0)])
def test_too_small_a_number_is_refused_with_the_least_valid_one(value: object, minimum: int) -> None:
    with pytest.raises(ConfigError, match=f"too small, it must be at least {minimum}$"):
        read_int(value, "max_total", minimum=minimum)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), ("true", True), ("TRUE", True), ("False", False), (" false ", False)],
)
def test_booleans(value: object, expected: bool) -> None:
    assert read_bool(value, "reuse") is expected


@pytest.mark.parametrize("value", ["yes", "no", "1", "0", "on", "t", "", 1, 0, 1.0, None, b"true"])
def test_booleans_are_strict(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^reuse: .* is not a boolean; write true or false$"):
        read_bool(value, "reuse")


def test_choices() -> None:
    assert read_choice("Basic", "telemetry.metrics", choices=("off", "basic")) == "basic"
    with pytest.raises(ConfigError, match=r"did you mean 'basic'\?\); write the text 'off' or 'basic'"):
        read_choice("basik", "telemetry.metrics", choices=("off", "basic"))


def test_the_off_of_a_yaml_file_is_refused_with_a_hint_to_text() -> None:
    with pytest.raises(ConfigError, match=r"False is not valid here; write the text 'off'"):
        read_choice(False, "telemetry.metrics", choices=("off", "basic"))


def test_text() -> None:
    assert read_text("modèle 1", "model-name") == "modèle 1"


@pytest.mark.parametrize("value", ["", "  ", " a", "a ", "a\nb", "a\0b", "a\x7f", "\udcff", 5, None, b"a"])
def test_text_that_is_empty_padded_or_unprintable_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^model-name: "):
        read_text(value, "model-name")


def test_paths() -> None:
    assert read_path(Path("/certs/ca.pem"), "tls-ca-file") == str(Path("/certs/ca.pem"))
    assert read_path("my certs/ca.pem", "tls-ca-file") == "my certs/ca.pem"


@pytest.mark.parametrize("value", ["", "a\0b", b"ca.pem", 3])
def test_what_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^tls-ca-file: "):
        read_path(value, "tls-ca-file")


@pytest.mark.parametrize("value", ["-----BEGIN PRIVATE KEY-----\nMIIs3cret", "-----BEGIN PRIVATE KEY-----\\nMIIs3cret"])
def test_a_key_instead_of_its_path_is_not_repeated(value: str) -> None:
    with pytest.raises(ConfigError, match="not its path") as caught:
        read_path(value, "tls-key-file")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "version"), [("latest", None), ("LATEST", None), ("1", "1"), (3, "3"), (" 12 ", "12")]
)
def test_versions(value: object, version: str | None) -> None:
    assert read_version(value, "model-version") == version


@pytest.mark.parametrize("value", ["", "v1", "1/../2", "-1", "1.0", -1, 1.0, True, "\u0661", 10**30])
def test_what_is_no_version_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^model-version: .*a whole number such as 1, or latest"):
        read_version(value, "model-version")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", "'a'"),
        (True, "True"),
        (None, "None"),
        (5, "5"),
        ({"password": "s3cret"}, "a value of type dict"),
        (b"s3cret", "a value of type bytes"),
    ],
)
def test_errors_show_only_harmless_types(value: object, shown: str) -> None:
    assert show(value) == shown


def test_a_number_of_too_many_digits_for_text_is_described() -> None:
    assert show(10**5000) == "a very large number"


def test_long_text_is_cut() -> None:
    assert len(show("x" * 1000)) < 70
