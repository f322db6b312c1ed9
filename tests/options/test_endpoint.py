from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel.errors import ConfigError
from triton_otel.options import Endpoint


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("triton:8000", "http://triton:8000"),
        ("triton", "http://triton"),
        ("triton:80", "http://triton"),
        ("triton_server:8000", "http://triton_server:8000"),
        ("Triton.Example.COM:8000", "http://triton.example.com:8000"),
        ("10.0.0.1:8000", "http://10.0.0.1:8000"),
        ("http://triton:8000", "http://triton:8000"),
        (" http://triton:8000/ ", "http://triton:8000"),
        ("HTTPS://triton", "https://triton"),
        ("https://triton:443", "https://triton"),
        ("https://triton:80", "https://triton:80"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("http://triton:8000/base", "http://triton:8000/base"),
        ("http://triton:8000/a/b%20c/", "http://triton:8000/a/b%20c"),
        ("triton:8000/base", "http://triton:8000/base"),
        ("http://triton:8000/v2", "http://triton:8000"),
        ("http://triton:8000/v2/", "http://triton:8000"),
        ("http://triton:8000/v2/models", "http://triton:8000"),
        ("http://triton:8000/v2/models/", "http://triton:8000"),
        ("http://triton:8000/v2/models/sentiment/versions/1/infer", "http://triton:8000"),
        ("http://triton:8000/v2/models/v2", "http://triton:8000"),
        ("http://triton:8000/base/v2/models", "http://triton:8000/base"),
        ("http://triton:8000/v2/gateway/v2", "http://triton:8000/v2/gateway"),
        ("http://triton:8000/v2/models-proxy", "http://triton:8000/v2/models-proxy"),
        ("http://triton:8000/v21", "http://triton:8000/v21"),
        ("http://triton:8000//v2", "http://triton:8000"),
    ],
)
def test_addresses_are_understood(text: str, url: str) -> None:
    endpoint = Endpoint.parse(text)
    assert str(endpoint) == url
    assert Endpoint.parse(url) == endpoint
    assert hash(Endpoint.parse(url)) == hash(endpoint)


def test_the_parts() -> None:
    endpoint = Endpoint.parse("https://[fe80::1%25eth0]:8443/x/y/v2")
    assert (endpoint.scheme, endpoint.host, endpoint.port) == ("https", "fe80::1%eth0", 8443)
    assert endpoint.base_path == "/x/y"
    assert endpoint.authority == "[fe80::1]:8443"
    assert Endpoint.parse(endpoint) is endpoint


def test_the_port_defaults_to_the_schemes() -> None:
    assert Endpoint.parse("triton").port == 80
    assert Endpoint.parse("https://triton").port == 443


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "http://",
        "http:///v2",
        ":8000",
        "triton:",
        "triton:0",
        "triton:65536",
        "triton:80a",
        "triton:-1",
        "triton:\u0668",
        "triton:8000:9000",
        "::1",
        "[::1",
        "[]:8000",
        "[zz]:8000",
        "[10.0.0.1]:8000",
        "grpc://triton:8001",
        "file:///etc/hosts",
        "tri ton:8000",
        "triton\r\nHost:8000",
        "trit\u00f6n:8000",
        "-triton:8000",
        "tri..ton:8000",
        "tri%74on:8000",
        "http://triton/a b",
        "http://triton/a\\b",
        "http://triton/%zz",
        "http://triton/../admin",
        "http://triton/a/./b",
        5,
        None,
        b"triton:8000",
    ],
)
def test_what_is_no_address_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match=r"^endpoint: ") as caught:
        Endpoint.parse(text)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "text",
    [
        "http://user:s3cret@triton:8000",
        "user:s3cret@triton:8000",
        "https://s3cret@triton",
        "http://user:s3cret/x@triton:8000",
        "http://user:s3 cret@triton:8000",
        "ftp://user:s3cret@triton",
        "http://triton:8000/v2?token=s3cret",
        "http://triton?s3cret",
        "http://triton#s3cret",
        "http://triton:bad/x?token=s3cret",
        "ftp://triton?token=s3cret",
        "http://trit on#s3cret",
    ],
)
def test_credentials_query_and_fragment_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Endpoint.parse(text)
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_the_reason_for_refusing_credentials_is_told() -> None:
    with pytest.raises(ConfigError, match=r"holds credentials .* set auth-token or custom-headers"):
        Endpoint.parse("http://user:s3cret@triton:8000")


def test_the_name_of_the_place_is_in_the_error() -> None:
    with pytest.raises(ConfigError, match=r"^TRITON_OTEL_ENDPOINT: "):
        Endpoint.parse("grpc://x", name="TRITON_OTEL_ENDPOINT")


@given(st.text(max_size=40))
def test_any_text_gives_a_safe_endpoint_or_a_config_error(text: str) -> None:
    try:
        endpoint = Endpoint.parse(text)
    except ConfigError:
        return
    assert all("!" <= character <= "~" for character in str(endpoint))
    assert endpoint.base_path == "" or endpoint.base_path.startswith("/")
    assert not endpoint.base_path.endswith("/")
