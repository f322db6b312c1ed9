"""``compression``: what goes out and comes in packed, what is refused, and what an answer may unpack to."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support.client_room import X, assert_at_rest, assert_serves
from support.raw_server import Peer, RawServer, answer

from triton_otel import ConfigError, DecodeError, ServerError, TritonClient
from triton_otel.client.coding import compress
from triton_otel.testing import EmbeddedTriton

LARGE = {"INPUT0": np.arange(100_000, dtype=np.float32)}
HEAD = json.dumps(
    {
        "model_name": "m",
        "outputs": [{"name": "OUT", "datatype": "FP32", "shape": [3], "parameters": {"binary_data_size": 12}}],
    }
).encode()
BODY = HEAD + X.tobytes()


def zipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


class Server:
    """A server that answers an inference with given bytes, once, and serves the embedded one's kind afterwards."""

    def __init__(self) -> None:
        self.headers: tuple[tuple[str, str], ...] = ()
        self.body = BODY
        self.status = "200 OK"
        self.raw = RawServer(self._serve)

    def _serve(self, peer: Peer) -> None:
        while peer.read() is not None:
            length = (("Inference-Header-Content-Length", str(len(HEAD))),)
            peer.send(answer(self.body, status=self.status, headers=(*length, *self.headers)))

    def says(self, coding: str, body: bytes, status: str = "200 OK") -> None:
        self.headers, self.body, self.status = (("Content-Encoding", coding),), body, status

    def plain(self) -> None:
        self.headers, self.body, self.status = (), BODY, "200 OK"


@pytest.fixture
def odd() -> Iterator[Server]:
    server = Server()
    with server.raw:
        yield server


def out(client: TritonClient) -> list[float]:
    found: list[float] = client.infer("m", {"IN": X})["OUT"].tolist()
    return found


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_both_ways_are_compressed(server: EmbeddedTriton, algorithm: str, binary: bool) -> None:
    with TritonClient(server.url, compression=algorithm) as client:
        for _ in range(2):
            result = client.infer("identity", LARGE, binary=binary)
            np.testing.assert_array_equal(result["OUTPUT0"], LARGE["INPUT0"])
            assert result["OUTPUT0"].ctypes.data % 64 == 0 or not binary
        seen = server.seen[-1]
        assert seen.headers["content-encoding"] == seen.headers["accept-encoding"] == algorithm
        assert int(seen.headers["content-length"]) < LARGE["INPUT0"].nbytes
        assert_serves(client)


def test_without_the_option_nothing_is_said_of_it(server: EmbeddedTriton) -> None:
    with TritonClient(server.url) as client:
        client.infer("identity", LARGE)
        assert not {"content-encoding", "accept-encoding"} & set(server.seen[-1].headers)


def test_a_request_by_plan_and_one_compressed_do_not_mix(server: EmbeddedTriton) -> None:
    with TritonClient(server.url) as plain, TritonClient(server.url, compression="gzip") as packed:
        for _ in range(3):
            for client in (plain, packed):
                np.testing.assert_array_equal(client.infer("identity", LARGE)["OUTPUT0"], LARGE["INPUT0"])
        assert plain.pool_name == packed.pool_name
        assert_serves(plain)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", zipped),
        ("GZip", zipped),
        ("x-gzip", zipped),
        ("deflate", zlib.compress),
        ("deflate", bare),
        ("identity", bytes),
    ],
)
def test_an_answer_that_comes_packed_unasked_is_understood(odd: Server, coding: str, pack: Callable) -> None:
    with TritonClient(odd.raw.url) as client:
        assert out(client) == X.tolist()
        odd.says(coding, pack(BODY))
        assert out(client) == X.tolist()
        odd.plain()
        assert out(client) == X.tolist()
        assert_at_rest(client)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "\xff"])
def test_a_coding_that_is_not_known_is_an_error_that_names_it(odd: Server, coding: str) -> None:
    with TritonClient(odd.raw.url) as client:
        odd.says(coding, zipped(BODY))
        with pytest.raises(DecodeError, match=r"^the answer's Content-Encoding is .*understands gzip and deflate"):
            out(client)
        odd.plain()
        assert out(client) == X.tolist()
        assert_at_rest(client)
        assert client.pool_stats().opened == 1


@pytest.mark.parametrize(
    ("coding", "body", "words"),
    [
        ("gzip", b"this is no gzip", "is not the gzip that it says"),
        ("deflate", b"\xff\xff\xff", "is not the deflate that it says"),
        ("gzip", zipped(BODY)[:-3], "ends early"),
        ("gzip", zipped(BODY)[:10], "ends early"),
        ("deflate", zlib.compress(BODY)[:-1], "ends early"),
        ("gzip", zipped(BODY) + b"!", "bytes follow"),
        ("gzip", zipped(BODY) + zipped(BODY), "bytes follow"),
        ("gzip", zipped(BODY) + b"!" * 200_000, "bytes follow"),
        ("gzip", zipped(BODY)[:-8] + bytes(8), "is not the gzip that it says"),
        ("gzip", zipped(BODY[:-1]), "binary_data_size is 12, but only 11 bytes follow"),
    ],
)
def test_an_answer_that_is_not_what_it_says_is_never_an_array(
    odd: Server, coding: str, body: bytes, words: str
) -> None:
    with TritonClient(odd.raw.url, compression="gzip") as client:
        odd.says(coding, body)
        with pytest.raises(DecodeError, match=words):
            out(client)
        odd.plain()
        assert out(client) == X.tolist()
        assert_at_rest(client)


def test_a_bomb_is_put_out_at_the_limit(odd: Server) -> None:
    odd.says("gzip", compress([bytes(300_000_000)], "gzip"))
    assert len(odd.body) < 2_000_000
    with TritonClient(odd.raw.url, max_response_size="3 MB") as client:
        tracemalloc.start()
        try:
            with pytest.raises(DecodeError, match=r"more bytes than 3000000, max-response-size, when it is unpacked"):
                out(client)
            assert tracemalloc.get_traced_memory()[1] < 30_000_000
        finally:
            tracemalloc.stop()
        odd.plain()
        assert out(client) == X.tolist()
        assert_at_rest(client)


def test_there_is_a_limit_without_the_option_too(odd: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triton_otel.client.coding.UNLIMITED", 1_000_000)
    odd.says("deflate", zlib.compress(bytes(1_000_001)))
    with TritonClient(odd.raw.url) as client:
        with pytest.raises(DecodeError, match=r"more bytes than 1000000, the most without max-response-size"):
            out(client)
        odd.plain()
        assert out(client) == X.tolist()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_048_575, 1_048_576, 1_048_577, 3_145_728])
@pytest.mark.parametrize("pack", [zipped, zlib.compress, bare])
def test_every_size_comes_out_whole_and_may_be_as_large_as_the_limit(size: int, pack: Callable) -> None:
    from triton_otel.client.coding import decompress

    coding = b"gzip" if pack is zipped else b"deflate"
    for body in (bytes(size), np.random.default_rng(size).bytes(size)):
        packed = pack(body)
        assert decompress(packed, coding, max(size, 1)) == body
        assert bytes(decompress(memoryview(packed), coding, None, 10)) == body
        if size:
            with pytest.raises(DecodeError, match="max-response-size"):
                decompress(packed, coding, size - 1)


@pytest.mark.parametrize("packed", [zipped(b'{"error":"no such thing"}'), b"no gzip", b""])
def test_an_error_may_come_packed_and_is_an_error_of_the_server_in_any_case(odd: Server, packed: bytes) -> None:
    with TritonClient(odd.raw.url) as client:
        odd.says("gzip", packed, "404 Not Found")
        with pytest.raises(ServerError, match="no such thing" if len(packed) > 10 else "no message") as caught:
            out(client)
        assert caught.value.status == 404
        odd.plain()
        assert out(client) == X.tolist()
        assert_at_rest(client)


def test_metadata_may_come_packed(odd: Server) -> None:
    with TritonClient(odd.raw.url) as client:
        odd.says("gzip", zipped(b'{"name":"triton"}'))
        assert client.server_metadata() == {"name": "triton"}


def test_another_word_is_refused(server: EmbeddedTriton) -> None:
    with pytest.raises(ConfigError, match=r"^compression: 'brotli' is not valid here"):
        TritonClient(server.url, compression="brotli")
