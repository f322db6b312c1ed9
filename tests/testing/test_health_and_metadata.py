"""Health, metadata and readiness, and the paths that lead nowhere."""

from __future__ import annotations

import json

import pytest

from triton_otel.testing import EmbeddedTriton, Model


def test_health(server, call):
    assert call(server, "GET", "/v2/health/live")[0] == 200
    assert call(server, "GET", "/v2/health/ready")[0] == 200
    server.ready = False
    assert call(server, "GET", "/v2/health/live")[0] == 200
    assert call(server, "GET", "/v2/health/ready")[0] == 400
    server.live = False
    assert call(server, "GET", "/v2/health/live")[0] == 400


def test_server_metadata(server, call):
    status, headers, body = call(server, "GET", "/v2")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == {
        "name": "triton",
        "version": "2.51.0",
        "extensions": ["binary_tensor_data", "parameters"],
    }


def test_model_metadata(server, call):
    status, _, body = call(server, "GET", "/v2/models/sentiment/versions/1")
    assert status == 200
    assert json.loads(body) == {
        "name": "sentiment",
        "versions": ["1"],
        "platform": "python",
        "inputs": [{"name": "TEXT", "datatype": "BYTES", "shape": [-1, 1]}],
        "outputs": [
            {"name": "LABEL", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "SCORE", "datatype": "FP32", "shape": [-1, 1]},
        ],
    }


def test_model_ready(server, call):
    assert call(server, "GET", "/v2/models/identity/ready")[::2] == (200, b"")
    assert call(server, "GET", "/v2/models/identity/versions/1/ready")[0] == 200
    not_ready = (400, b'{"error":"Model version not ready"}')
    assert call(server, "GET", "/v2/models/identity/versions/2/ready")[::2] == not_ready
    assert call(server, "GET", "/v2/models/nope/ready")[::2] == not_ready
    server.models["identity"].ready = False
    assert call(server, "GET", "/v2/models/identity/ready")[::2] == not_ready


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2/",
        "/v1",
        "/v2/health",
        "/v2/health/other",
        "/v2/models",
        "/v2/models/",
        "/v2/models/identity/other",
        "/v2/models/identity/versions/latest",
        "/v2/models/identity/versions/1/infer/more",
    ],
)
def test_paths_that_lead_nowhere(server, call, path):
    assert call(server, "GET", path)[::2] == (404, b'{"error":"Not Found"}')


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v2/health/live"), ("GET", "/v2/models/identity/infer"), ("PUT", "/v2/models/identity")],
)
def test_wrong_method(server, call, method, path):
    assert call(server, method, path, b"")[::2] == (405, b'{"error":"Method Not Allowed"}')


def test_versions_and_base_path(call):
    model = Model("m", [("IN", "FP32", (-1,))], [], lambda inputs: {}, versions=("2", "10", "9"))
    with EmbeddedTriton([model], base_path="/some/where") as server:
        assert server.url == f"http://127.0.0.1:{server.port}/some/where"
        assert json.loads(call(server, "GET", "/some/where/v2/models/m")[2])["versions"] == ["2", "9", "10"]
        assert call(server, "GET", "/v2/models/m")[0] == 404
        body = b'{"inputs":[{"name":"IN","datatype":"FP32","shape":[1],"data":[1]}]}'
        for path, version in (("", "10"), ("/versions/2", "2")):
            answer = call(server, "POST", f"/some/where/v2/models/m{path}/infer", body)
            assert json.loads(answer[2]) == {"model_name": "m", "model_version": version, "outputs": []}
