"""NVIDIA's client as an independent peer: what it can talk to is a Triton."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from triton_otel.testing import EmbeddedTriton

http = pytest.importorskip(
    "tritonclient.http", reason="pip install 'tritonclient[http]'", exc_type=(ImportError, RuntimeError)
)

CASES = [
    (datatype, np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype))
    for datatype, dtype in {
        "BOOL": bool,
        "UINT8": "u1",
        "UINT16": "u2",
        "UINT32": "u4",
        "UINT64": "u8",
        "INT8": "i1",
        "INT16": "i2",
        "INT32": "i4",
        "INT64": "i8",
        "FP16": "f2",
        "FP32": "f4",
        "FP64": "f8",
    }.items()
]
CASES += [
    ("BF16", np.array([[1.5, -2.0]]).astype(ml_dtypes.bfloat16)),
    ("BYTES", np.array([[b"one", b""], [b"\xff", "ä".encode()]], np.object_)),
]


@pytest.fixture
def client(server):
    made = http.InferenceServerClient(f"{server.host}:{server.port}")
    yield made
    made.close()


@pytest.mark.parametrize(("datatype", "array"), CASES, ids=[case[0] for case in CASES])
def test_binary_round_trip(client, datatype, array):
    tensor = http.InferInput("INPUT0", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=True)
    result = client.infer("identity", [tensor], request_id="7")
    assert result.get_response()["id"] == "7"
    assert result.get_output("OUTPUT0")["datatype"] == datatype
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), array)


@pytest.mark.parametrize(("datatype", "array"), CASES[:9], ids=[case[0] for case in CASES[:9]])
def test_json_round_trip(client, datatype, array):
    tensor = http.InferInput("INPUT0", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=False)
    result = client.infer("identity", [tensor], outputs=[http.InferRequestedOutput("OUTPUT0", binary_data=False)])
    assert "data" in result.get_output("OUTPUT0")
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), array)


def test_questions(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("identity")
    assert not client.is_model_ready("nope")
    assert client.get_server_metadata()["name"] == "triton"
    assert client.get_model_metadata("add_sub")["inputs"][0]["name"] == "INPUT0"


def test_error(client):
    tensor = http.InferInput("INPUT0", [1], "FP32")
    tensor.set_data_from_numpy(np.ones(1, np.float32))
    with pytest.raises(Exception, match="Request for unknown model: 'nope' is not found") as raised:
        client.infer("nope", [tensor])
    assert raised.value.status() == "404"


def test_connections_are_reused():
    with EmbeddedTriton() as server:
        client = http.InferenceServerClient(f"{server.host}:{server.port}")
        for _ in range(5):
            assert client.is_server_live()
        client.close()
        assert (server.connections_accepted, server.requests) == (1, 5)
        assert [seen.number for seen in server.seen] == [1, 2, 3, 4, 5]
