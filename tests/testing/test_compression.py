"""Compressed requests and answers as Triton 2.51 has them: which codings, which is preferred, what is refused."""

from __future__ import annotations

import gzip
import http.client
import json
import zlib

import pytest

from triton_otel.testing import EmbeddedTriton

DOCUMENT = {"inputs": [{"name": "INPUT0", "shape": [3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}]}
BODY = json.dumps(DOCUMENT).encode()


def ask(server: EmbeddedTriton, body: bytes, headers: dict[str, str]) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("POST", "/v2/models/identity/infer", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Encoding"), answer.read()
    finally:
        connection.close()


@pytest.fixture
def server():
    with EmbeddedTriton() as running:
        yield running


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY, mtime=0)[:-5]),
        ("gzip", gzip.compress(BODY, mtime=0) + b"tail"),
    ],
)
def test_bodies_that_are_read(server: EmbeddedTriton, coding: str, body: bytes) -> None:
    status, sent, answer = ask(server, body, {"Content-Encoding": coding})
    assert (status, sent) == (200, None)
    assert json.loads(answer)["outputs"][0]["data"] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("br", BODY, 501),
        ("GZIP", gzip.compress(BODY, mtime=0), 501),
        ("x-gzip", gzip.compress(BODY, mtime=0), 501),
        ("gzip", b"garbage", 400),
        ("deflate", gzip.compress(BODY, mtime=0), 400),
    ],
)
def test_bodies_that_are_refused(server: EmbeddedTriton, coding: str, body: bytes, status: int) -> None:
    got, _, answer = ask(server, body, {"Content-Encoding": coding})
    assert got == status
    assert "error" in json.loads(answer)
    assert status != 501 or json.loads(answer) == {"error": "Unsupported compression type"}
    assert ask(server, BODY, {})[0] == 200


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate", "gzip"),
        ("deflate, gzip", "deflate"),
        ("gzip;q=0.1, deflate;q=0.9", "deflate"),
        ("gzip;q=0", None),
        ("GZIP", None),
        ("br", None),
        ("*", None),
        ("identity", None),
        ("gzip;q=high", None),
    ],
)
def test_answers(server: EmbeddedTriton, accepted: str, coding: str | None) -> None:
    status, sent, answer = ask(server, BODY, {"Accept-Encoding": accepted})
    assert (status, sent) == (200, coding)
    plain = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[coding](answer)
    assert json.loads(plain)["outputs"][0]["data"] == [1.0, 2.0, 3.0]


def test_errors_are_not_compressed(server: EmbeddedTriton) -> None:
    status, sent, answer = ask(server, b"{}", {"Accept-Encoding": "gzip"})
    assert status >= 400
    assert sent is None
    assert "error" in json.loads(answer)
