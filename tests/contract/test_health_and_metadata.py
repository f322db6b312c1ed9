"""Live, ready and metadata of a real Triton."""

from __future__ import annotations

import pytest

from triton_otel import ServerError, TritonClient

pytestmark = pytest.mark.triton


def test_live_and_ready(client: TritonClient) -> None:
    assert client.server_live() is True
    assert client.server_ready() is True
    assert client.model_ready("add_sub") is True
    assert client.model_ready("add_sub", "1") is True


def test_an_unknown_model_or_version_is_not_ready(client: TritonClient) -> None:
    assert client.model_ready("no_such_model") is False
    assert client.model_ready("add_sub", "77") is False


def test_server_metadata(client: TritonClient) -> None:
    metadata = client.server_metadata()
    assert metadata["name"] == "triton"
    assert "binary_tensor_data" in metadata["extensions"]


@pytest.mark.parametrize("version", [None, "1"])
def test_model_metadata(client: TritonClient, version: str | None) -> None:
    metadata = client.model_metadata("sentiment", version)
    assert metadata["name"] == "sentiment"
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "TEXT", "datatype": "BYTES", "shape": [-1, 1]}]
    assert {output["name"]: output["datatype"] for output in metadata["outputs"]} == {"LABEL": "BYTES", "SCORE": "FP32"}


def test_metadata_of_an_unknown_model(client: TritonClient) -> None:
    with pytest.raises(ServerError) as caught:
        client.model_metadata("no_such_model")
    assert caught.value.status == 404
    assert caught.value.message == "Request for unknown model: 'no_such_model' is not found"


def test_model_config(client: TritonClient) -> None:
    config = client.model_config("sentiment")
    assert (config["name"], config["max_batch_size"]) == ("sentiment", 32)
    assert config["instance_group"][0]["count"] >= 1
    with pytest.raises(ServerError, match="unknown model"):
        client.model_config("no_such_model")
