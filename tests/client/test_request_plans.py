"""A request that is put together by the plan of an earlier one is, to the byte, what it would be without one."""

from __future__ import annotations

from collections import OrderedDict

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_otel.client import _face
from triton_otel.client._face import Face
from triton_otel.errors import ConfigError
from triton_otel.kserve.request import Input, Output
from triton_otel.options import ClientConfig
from triton_otel.wire.message import PlannedRequest, head_of, parts_of


def make_face(**settings: object) -> Face:
    return Face(ClientConfig.from_arguments("http://triton:8000/base", **settings), "agent/1")


def arguments(model="m", inputs=None, **more):
    return {
        "model": model,
        "inputs": inputs,
        "version": None,
        "outputs": None,
        "request_id": None,
        "parameters": None,
        "server_timeout": None,
        "headers": None,
        "binary": True,
        **more,
    }


def wire(face: Face, prepared) -> bytes:
    request = face.request(prepared)
    parts = parts_of(request)
    assert parts is not None
    streamed = head_of(request).data + b"".join(parts)
    if type(request) is PlannedRequest:
        assert b"".join(request.whole) == streamed
        assert request.size == len(streamed)
    return streamed


def trace_into(headers: list[tuple[bytes, bytes]], trace) -> None:
    """Do what telemetry does: what it writes takes the place of what is there."""
    names = {name for name, _ in trace}
    headers[:] = [header for header in headers if header[0].lower() not in names]
    headers.extend(trace)


def planned(face: Face, trace=(), **call) -> bytes:
    prepared = face.infer(**arguments(**call))
    trace_into(prepared.headers, trace)
    return wire(face, prepared)


def unplanned(face: Face, trace=(), **call) -> bytes:
    call = arguments(**call)
    prepared = face._built(call.pop("model"), call.pop("inputs"), **call)
    assert prepared.plan is None
    trace_into(prepared.headers, trace)
    return wire(face, prepared)


def outcome(build, **call) -> bytes | str:
    try:
        return build(FACE, **call)
    except ConfigError as error:
        return str(error)


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    if layout == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    if layout == "strided":
        return np.stack([array, array], axis=-1)[..., 0]
    if layout == "columns first":
        return np.asfortranarray(array)
    if layout == "subclass":
        return array.view(np.recarray)
    if layout == "masked":
        return np.ma.masked_array(array)
    return array


DTYPES = st.sampled_from(["?", "u1", "i2", "<i4", "<u8", "<f2", "<f4", "<f8", "S3", "U2"])
LAYOUTS = st.sampled_from(["plain", "plain", "big-endian", "strided", "columns first", "subclass", "masked"])


@st.composite
def inputs_of(draw: st.DrawFn) -> dict[str, object]:
    made: dict[str, object] = {}
    for name in draw(st.lists(st.sampled_from(["A", "B", "é", 'quo"te']), unique=True, max_size=3)):
        dtype = np.dtype(draw(DTYPES))
        shape = draw(npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
        array = draw(npst.arrays(dtype, shape, elements=npst.from_dtype(dtype, allow_nan=False)))
        made[name] = laid_out(array, draw(LAYOUTS))
        if draw(st.booleans()) and dtype.kind == "f":
            made[name] = Input(made[name], binary=draw(st.sampled_from([None, True, False])))
    return made


# One face for all examples: they are to meet each other's plans.
FACE = make_face(headers={"X-Mine": "1"}, auth_token="t")


@settings(max_examples=100, deadline=None)
@given(
    inputs=inputs_of(),
    model=st.sampled_from(["m", "n", "ä/b"]),
    version=st.sampled_from([None, "latest", "1", 1, 2]),
    outputs=st.sampled_from(
        [None, [], ["O"], ("O", "P"), [Output("O")], [Output("O", binary=False)], [Output("O", class_count=1)]]
    ),
    trace=st.sampled_from([(), ((b"traceparent", b"00-1-2-01"),), ((b"x-mine", b"2"), (b"b3", b"3"))]),
)
def test_the_same_bytes_with_and_without_a_plan(inputs, model, version, outputs, trace) -> None:
    call = {"model": model, "inputs": inputs, "version": version, "outputs": outputs, "trace": trace}
    expected = outcome(unplanned, **call)
    assert outcome(planned, **call) == expected
    assert outcome(planned, **call) == expected


def test_what_changes_between_two_calls_is_seen() -> None:
    face = make_face()
    array = np.arange(4, dtype=np.float32)
    inputs = {"A": array}
    for change in (
        lambda: array.__setitem__(0, 9),
        lambda: inputs.update(A=array.reshape(2, 2)),
        lambda: inputs.update(A=array.view(np.int32)),
        lambda: inputs.update(A=array.astype(">f4")),
        lambda: inputs.update(A=np.zeros((2, 0), np.float32)),
        lambda: inputs.update(A=np.asfortranarray(np.arange(4, dtype=np.float32).reshape(2, 2))),
        lambda: inputs.update(B=array),
        lambda: inputs.pop("A"),
        inputs.clear,
    ):
        planned(face, inputs=inputs)
        change()
        assert planned(face, inputs=inputs) == unplanned(face, inputs=inputs)


def test_the_same_object_in_another_shape() -> None:
    face = make_face()
    array = np.arange(6, dtype=np.int16)
    first = planned(face, inputs={"A": array})
    array.resize((2, 3), refcheck=False)
    second = planned(face, inputs={"A": array})
    assert b"[6]" in first
    assert b"[2,3]" in second


def test_inputs_as_the_only_argument_and_as_another_mapping() -> None:
    face = make_face(model_name="own")
    array = np.ones(2, np.float32)
    expected = unplanned(face, model="own", inputs={"A": array})
    assert planned(face, model={"A": array}) == expected
    assert planned(face, model=None, inputs=OrderedDict(A=array)) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": True},
        {"outputs": [1]},
        {"outputs": ["O", "O"]},
        {"outputs": [["O"]]},
        {"model": b"m"},
        {"binary": 1},
    ],
)
def test_what_is_wrong_is_wrong_beside_a_plan_for_what_equals_it(wrong) -> None:
    face = make_face()
    inputs = {"A": np.ones(1, np.float32)}
    planned(face, inputs=inputs)
    planned(face, inputs=inputs, version=1)
    with pytest.raises(ConfigError):
        planned(face, inputs=inputs, **wrong)


def test_the_plans_do_not_pile_up(monkeypatch) -> None:
    monkeypatch.setattr(_face, "_MAX_PLANS", 5)
    face = make_face()
    for size in range(1, 20):
        inputs = {"A": np.ones(size, np.uint8)}
        assert planned(face, inputs=inputs) == unplanned(face, inputs=inputs)
        assert len(face._plans) <= 5


def test_each_request_has_headers_of_its_own() -> None:
    face = make_face()
    inputs = {"A": np.ones(1, np.float32)}
    assert b"traceparent: one" in planned(face, inputs=inputs, trace=[(b"traceparent", b"one")])
    assert b"traceparent" not in planned(face, inputs=inputs)
