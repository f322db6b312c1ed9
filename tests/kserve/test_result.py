"""A result is a read-only mapping that says what it holds."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping

import numpy as np
import pytest

from triton_otel.kserve.response import ParsedInfer
from triton_otel.kserve.result import InferResult
from triton_otel.wire.phases import ConnectionInfo, Timing

TIMING = Timing(blocked=None, connect=None, tls=None, send=0.1, wait=0.2, receive=0.3, total=0.6)
CONNECTION = ConnectionInfo(id=7, reused=True, age=1.5, requests=3, peer=("127.0.0.1", 8000))


@pytest.fixture
def result() -> InferResult:
    outputs = {"LABEL": np.array([[b"secret"]], dtype=object), "SCORE": np.array([0.25], np.float32)}
    parsed = ParsedInfer("m", "1", "r-1", {"k": 1}, outputs, {"LABEL": "BYTES", "SCORE": "BF16"})
    return InferResult(parsed, TIMING, CONNECTION)


def test_outputs_by_name(result: InferResult) -> None:
    assert isinstance(result, Mapping)
    assert list(result) == ["LABEL", "SCORE"]
    assert len(result) == 2
    assert "SCORE" in result
    assert "nope" not in result
    assert result["SCORE"].tolist() == [0.25]
    assert dict(result)["LABEL"].tolist() == [[b"secret"]]
    assert result.get("nope") is None


def test_facts_of_the_request(result: InferResult) -> None:
    assert (result.model_name, result.model_version, result.id) == ("m", "1", "r-1")
    assert result.parameters == {"k": 1}
    assert result.timing is TIMING
    assert result.connection is CONNECTION


def test_missing_output_names_those_there_are(result: InferResult) -> None:
    with pytest.raises(KeyError, match=r"no output 'nope'; the outputs are: 'LABEL', 'SCORE'"):
        result["nope"]
    empty = InferResult(ParsedInfer("m", None, None, {}, {}), TIMING, CONNECTION)
    with pytest.raises(KeyError, match="the outputs are: none"):
        empty["nope"]


def test_repr_shows_everything_but_data(result: InferResult) -> None:
    shown = repr(result)
    assert "model_name='m', model_version='1', id='r-1'" in shown
    assert "'LABEL': BYTES[1, 1], 'SCORE': BF16[1]" in shown
    assert "wait=0.2" in shown
    assert "reused=True" in shown
    assert "secret" not in shown
    assert "0.25" not in shown


def test_repr_without_datatypes_takes_the_arrays() -> None:
    parsed = ParsedInfer("m", None, None, {}, {"A": np.zeros((2, 3), np.int16)})
    assert "outputs={'A': INT16[2, 3]}" in repr(InferResult(parsed, TIMING, CONNECTION))


def test_result_cannot_be_changed(result: InferResult) -> None:
    with pytest.raises(TypeError):
        result["LABEL"] = np.zeros(1)  # type: ignore[index]
    for name in ("model_name", "timing", "anything"):
        with pytest.raises(AttributeError):
            setattr(result, name, 1)
    result.parameters["k"] = 2
    assert result.parameters == {"k": 1}


def test_results_are_compared_as_objects(result: InferResult) -> None:
    twin = InferResult(ParsedInfer("m", "1", "r-1", {}, dict(result)), TIMING, CONNECTION)
    assert result == result
    assert result != twin
    assert len({result, twin}) == 2


def test_result_survives_copy_and_pickle(result: InferResult) -> None:
    for twin in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert twin["SCORE"].tolist() == [0.25]
        assert twin.timing == TIMING
        assert repr(twin) == repr(result)
