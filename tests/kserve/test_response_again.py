"""An answer whose JSON was read before is read as the first time, and believed no more than then."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from triton_otel.errors import DecodeError
from triton_otel.kserve.response import parse_infer


def answer(*outputs: dict[str, object], **more: object) -> bytes:
    return orjson.dumps({"model_name": "again", "model_version": "3", "outputs": list(outputs), **more})


def output(name: str, datatype: str = "FP32", shape: tuple[int, ...] = (2,), size: int = 8) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}


def test_it_says_the_same_every_time() -> None:
    head = answer(output("A"), output("B", "BYTES", (1,), 6))
    for number in range(3):
        tensor = np.array([number, 7], "<f4")
        parsed = parse_infer(head + tensor.tobytes() + b"\2\0\0\0hi", len(head), ["A", "B"])
        assert (parsed.model_name, parsed.model_version, parsed.id, parsed.parameters) == ("again", "3", None, {})
        assert parsed.outputs["A"].tolist() == [number, 7]
        assert parsed.outputs["B"].tolist() == [b"hi"]
        assert parsed.datatypes == {"A": "FP32", "B": "BYTES"}
        parsed.parameters["mine"] = 1
        parsed.datatypes.clear()


@pytest.mark.parametrize("tail", [b"", b"\0" * 7, b"\0" * 9])
def test_tensors_that_do_not_fit(tail: bytes) -> None:
    head = answer(output("C"))
    parse_infer(head + bytes(8), len(head))
    for _ in range(2):
        with pytest.raises(DecodeError):
            parse_infer(head + tail, len(head))
    with pytest.raises(DecodeError, match="lacks"):
        parse_infer(head + bytes(8), len(head), ["D"])


def test_a_lie_stays_one() -> None:
    head = answer(output("E", size=4))
    for _ in range(3):
        with pytest.raises(DecodeError):
            parse_infer(head + bytes(4), len(head))


def test_ids_parameters_and_json_tensors_are_read_anew() -> None:
    for more in ({"id": "one"}, {"parameters": {"sequence": 1}}):
        head = answer(output("F"), **more)
        for _ in range(2):
            parsed = parse_infer(head + bytes(8), len(head))
            assert (parsed.id, parsed.parameters) == (more.get("id"), more.get("parameters", {}))
            parsed.parameters["mine"] = 1
    head = answer({"name": "G", "datatype": "INT8", "shape": [1], "data": [5]})
    for _ in range(2):
        parsed = parse_infer(head, len(head))
        assert parsed.outputs["G"].tolist() == [5]
        parsed.outputs["G"][0] = 9
