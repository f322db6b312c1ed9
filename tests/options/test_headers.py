from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel.errors import ConfigError
from triton_otel.options.headers import check_header, parse_headers


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ({"X-Tenant": "blue", "Authorization": "Basic abc="}, (("X-Tenant", "blue"), ("Authorization", "Basic abc="))),
        ({"X-List": "a,b"}, (("X-List", "a,b"),)),
        ({"X-Empty": ""}, (("X-Empty", ""),)),
        ({"X-Padded": "  a b\t"}, (("X-Padded", "a b"),)),
        ({}, ()),
        ("X-Tenant:blue", (("X-Tenant", "blue"),)),
        ("X-Tenant: blue , X-Url:http://h:1/", (("X-Tenant", "blue"), ("X-Url", "http://h:1/"))),
    ],
)
def test_headers_from_a_mapping_or_from_text(value: object, headers: tuple[tuple[str, str], ...]) -> None:
    assert parse_headers(value, name="custom-headers") == headers


@pytest.mark.parametrize(
    "name", ["", "X Tenant", "X:Tenant", "X\r\nHost", "X\n", "X\0", "Xä", "X\u2028", "(X)", '"X"', " X", "X\t"]
)
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^headers: a header: its name "):
        check_header(name, "v", option="headers")
    with pytest.raises(ConfigError, match=r"^custom-headers: header 2: its name "):
        parse_headers({"X-First": "1", name: "v"}, name="custom-headers")


@pytest.mark.parametrize("value", ["a\r\nHost: evil", "a\n", "a\rb", "a\0b", "a\x1bb", "a\x7f", "ä", "a\u2028b"])
def test_a_value_that_could_break_out_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^headers: header 'X-A': its value has .* as character \d+"):
        check_header("X-A", value, option="headers")
    with pytest.raises(ConfigError, match=r"^custom-headers: header 1: its value has"):
        parse_headers({"X-A": value}, name="custom-headers")


@pytest.mark.parametrize("value", [" a", "a\t", " "])
def test_blanks_around_a_value_are_refused_where_nothing_drops_them(value: str) -> None:
    with pytest.raises(ConfigError, match="has blanks around it"):
        check_header("X-A", value, option="headers")


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "HOST",
        "Content-Length",
        "transfer-encoding",
        "Trailer",
        "Expect",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "TE",
        "Upgrade",
        "HTTP2-Settings",
        "Content-Type",
        "Content-Encoding",
        "Accept-Encoding",
        "Inference-Header-Content-Length",
    ],
)
def test_headers_of_the_client_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' cannot be set, (it|the client) "):
        check_header(name, "v", option="headers")
    for value in ({name: "v"}, f"{name}:v"):
        with pytest.raises(ConfigError, match=f"^custom-headers: header 1: '{name}' cannot be set"):
            parse_headers(value, name="custom-headers")


@pytest.mark.parametrize("value", [{"X-A": "1", "x-a": "2"}, "X-A:1,x-a:2", "x-a:1,X-A:2"])
def test_a_header_may_be_given_once(value: object) -> None:
    with pytest.raises(ConfigError, match="header 2 has the name of an earlier one"):
        parse_headers(value, name="custom-headers")


@pytest.mark.parametrize("value", ["", "  ", "X-A", "X-A:1,", ",X-A:1", "X-A:1,2", ":v", 5, [("X-A", "1")], None])
def test_malformed_headers_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^custom-headers: "):
        parse_headers(value, name="custom-headers")


@pytest.mark.parametrize("value", [5, None, b"v", ["v"]])
def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="its value must be text"):
        parse_headers({"X-A": value}, name="custom-headers")


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="its name must be text"):
        parse_headers({5: "v"}, name="custom-headers")


@given(st.text(max_size=20), st.text(max_size=20))
def test_what_passes_is_one_line(name: str, value: str) -> None:
    try:
        check_header(name, value, option="headers")
    except ConfigError:
        return
    line = f"{name}: {value}".encode("ascii")
    assert len(line.splitlines()) == 1
    assert b"\0" not in line
    assert line.split(b":")[0] == name.encode("ascii")
