"""``proxy``: inferences through HTTP and SOCKS proxies, and a password that shows nowhere."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator

import numpy as np
import pytest
from support.client_room import INPUTS, assert_at_rest, assert_serves
from support.proxies import http_proxy, socks_proxy
from support.raw_server import RawServer, refusing_port

from triton_otel import AsyncTritonClient, ConfigError, ConnectError, ServerError, TritonClient
from triton_otel.client import proxy as client_proxy
from triton_otel.options import ClientConfig
from triton_otel.testing import EmbeddedTriton

NAME, PASSWORD = "some-name", "p@ss:w%rd"
QUOTED = "some-name:p%40ss%3Aw%25rd@"
LARGE = {"INPUT0": np.arange(500_000, dtype=np.float32)}
SCHEMES = ["http", "socks5"]


@pytest.fixture(params=SCHEMES)
def proxy(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a proxy that wants a password."""
    auth = socks_proxy((NAME.encode(), PASSWORD.encode())), http_proxy(f"{NAME}:{PASSWORD}")
    with RawServer(auth[request.param == "http"]) as server:
        yield f"{request.param}://{QUOTED}127.0.0.1:{server.port}"


@pytest.fixture
def secure(authority) -> Iterator[EmbeddedTriton]:
    with EmbeddedTriton(tls=authority.server) as server:
        yield server


def test_inferences_over_plain_http(server: EmbeddedTriton, proxy: str) -> None:
    with TritonClient(server.url, proxy=proxy) as client:
        assert client.server_ready()
        for inputs in (INPUTS, LARGE, INPUTS, LARGE):
            result = client.infer("identity", inputs)
            np.testing.assert_array_equal(result["OUTPUT0"], inputs["INPUT0"])
        assert result.connection.reused
        assert client.pool_stats().opened == 1
        with pytest.raises(ServerError, match="unknown model"):
            client.infer("nobody", INPUTS)
        assert_serves(client)


def test_inferences_over_tls(secure: EmbeddedTriton, proxy: str, authority) -> None:
    with TritonClient(secure.url, proxy=proxy, tls_ca_file=authority.ca_file, compression="gzip") as client:
        for _ in range(2):
            result = client.infer("identity", LARGE)
            np.testing.assert_array_equal(result["OUTPUT0"], LARGE["INPUT0"])
        assert client.pool_stats().opened == 1
        assert_serves(client)


def test_the_client_for_tasks(server: EmbeddedTriton, proxy: str) -> None:
    async def main() -> None:
        async with AsyncTritonClient(server.url, proxy=proxy) as client:
            for _ in range(2):
                result = await client.infer("identity", LARGE)
                np.testing.assert_array_equal(result["OUTPUT0"], LARGE["INPUT0"])
            assert client.pool_stats().opened == 1

    asyncio.run(main())


def test_a_proxy_over_tls_is_verified_as_the_server_is(server: EmbeddedTriton, authority) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server)
    with RawServer(http_proxy(), tls=context) as relay:
        url = f"https://127.0.0.1:{relay.port}"
        with TritonClient(server.url, proxy=url, tls_ca_file=authority.ca_file) as client:
            assert_serves(client)
        with TritonClient(server.url, proxy=url) as client, pytest.raises(ConnectError, match="CERTIFICATE_VERIFY"):
            client.server_live()


def test_nothing_shows_name_or_password(server: EmbeddedTriton, tracing, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "triton_otel")
    shown = []
    for scheme, handler in (("http", http_proxy("a:b")), ("socks5", socks_proxy((b"a", b"b")))):
        with RawServer(handler) as relay, refusing_port() as nobody:
            for port in (relay.port, nobody):
                url = f"{scheme}://{QUOTED}127.0.0.1:{port}"
                config = ClientConfig.from_arguments(server.url, proxy=url, environ={})
                shown += [repr(config), str(config), repr(config.proxy), str(config.proxy)]
                with TritonClient(server.url, proxy=url, tracer_provider=tracing.provider) as client:
                    with pytest.raises((ConnectError, ServerError)) as caught:
                        client.infer("identity", INPUTS)
                    error: BaseException | None = caught.value
                    while error is not None:
                        shown += [str(error), repr(error)]
                        error = error.__cause__ or error.__context__
                    shown += [repr(client), repr(client._core.pool), repr(client._core.pool._proxy)]
                    assert_at_rest(client)
    shown += [span.to_json() for span in tracing.spans] + caplog.messages
    assert len(tracing.spans) == 4
    for text in shown:
        assert NAME not in text
        assert "p@ss" not in text
        assert "p%40ss" not in text


@pytest.mark.parametrize(
    "address",
    [
        f"ftp://{QUOTED}proxy:21",
        f"{QUOTED}proxy:21",
        f"http://{QUOTED}",
        f"http://{QUOTED}proxy:0",
        f"http://{QUOTED}proxy:99999",
        f"http://{QUOTED}proxy/path",
        f"http://{QUOTED}pro xy",
        f"http://{QUOTED}proxy?x=p%40ss",
        "http://some-name:p%FFss@proxy",
        "http://some-name:p%0Ass@proxy",
        "http://:p%40ss@proxy",
        "http://some-name%3A:p%40ss@proxy",
        "http://some-name:" + "p%40ss" * 100 + "@proxy",
    ],
)
def test_an_address_without_sense_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^proxy: ") as caught:
        TritonClient("http://triton:8000", proxy=address)
    error: BaseException | None = caught.value
    while error is not None:
        assert "some-name" not in str(error)
        assert "p%40ss" not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("address", "shown", "auth"),
    [
        ("http://proxy", "http://proxy:80", None),
        ("HTTPS://Proxy/", "https://proxy:443", None),
        ("socks5://proxy", "socks5://proxy:1080", None),
        ("http://[::1]:3128", "http://[::1]:3128", None),
        ("http://me@proxy:3128", "http://proxy:3128", (b"me", b"")),
        (f"http://{QUOTED}proxy:3128", "http://proxy:3128", (NAME.encode(), PASSWORD.encode())),
        ("http://j%C3%BCrgen:%E2%82%AC@proxy", "http://proxy:80", ("jürgen".encode(), "€".encode())),
    ],
)
def test_addresses(address: str, shown: str, auth: tuple[bytes, bytes] | None) -> None:
    proxy = ClientConfig.from_options({"endpoint": "triton:8000", "proxy": address}, environ={}).proxy
    assert proxy is not None
    assert (str(proxy), proxy.auth) == (shown, auth)


def test_clients_share_a_pool_only_through_the_same_proxy_and_password() -> None:
    urls = [None, "http://proxy:1", "http://proxy:1/", "http://proxy:2", "http://a:b@proxy:1", "http://a:c@proxy:1"]
    clients = [TritonClient("http://triton:8000", proxy=url) for url in urls]
    names = [client.pool_name for client in clients]
    for client in clients:
        client.close()
    assert names[1] == names[2]
    assert len(set(names)) == len(urls) - 1


def test_the_environments_proxies_are_not_read(server: EmbeddedTriton, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing_port() as port:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        with TritonClient(server.url) as client:
            assert_serves(client)


def test_a_server_name_cannot_be_asked_for_through_an_http_proxy() -> None:
    with pytest.raises(ConfigError, match=r"^tls-server-name and an HTTP proxy are both set"):
        TritonClient("https://triton", proxy="http://proxy", tls_server_name="other")
    TritonClient("https://triton", proxy="socks5://proxy", tls_server_name="other").close()


@pytest.mark.parametrize("client", [TritonClient, AsyncTritonClient])
def test_socks_without_its_package_is_told_at_once(client: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_proxy.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"triton-otel\[socks\]"):
        client("http://triton:8000", proxy="socks5://proxy")
    gc.collect()
