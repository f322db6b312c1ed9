"""What cannot be sent is refused before it is, and the error names the culprit."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from triton_otel.errors import ConfigError
from triton_otel.kserve.request import Input, Output, build_infer

ONE = np.ones(1, np.int8)
CONTROL = ["a\nb", "a\x00", "\x1b[31m", "\x7f", "\x85"]


def build(inputs: Any, outputs: Any = None, request_id: Any = None, parameters: Any = None, **options: Any) -> None:
    build_infer(inputs, outputs, request_id=request_id, parameters=parameters, **options)


@pytest.mark.parametrize("inputs", [None, [ONE], ONE, "A"])
def test_inputs_that_are_no_mapping(inputs: object) -> None:
    with pytest.raises(ConfigError, match="inputs must be a mapping"):
        build(inputs)


@pytest.mark.parametrize("name", ["", 5, None, b"A", "\ud800", *CONTROL])
def test_names_that_cannot_be_sent(name: Any) -> None:
    with pytest.raises(ConfigError, match="input name"):
        build({name: ONE})
    with pytest.raises(ConfigError, match="output name"):
        build({}, [name])
    with pytest.raises(ConfigError, match="output name"):
        Output(name)
    with pytest.raises(ConfigError, match="parameter name"):
        build({}, parameters={name: 1})


@pytest.mark.parametrize("request_id", ["", 5, b"id", "\ud800", *CONTROL])
def test_request_id_that_cannot_be_sent(request_id: Any) -> None:
    with pytest.raises(ConfigError, match="request_id"):
        build({}, request_id=request_id)


@pytest.mark.parametrize("value", [None, b"x", [1], {"a": 1}, np.int64(1), np.bool_(True), ONE, 1j])
def test_parameter_of_another_type(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"parameter 'p' is .*str, int, float or bool"):
        build({}, parameters={"p": value})


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**100, float("nan"), float("inf"), "a\x00b", "\udfff"])
def test_parameter_that_would_not_arrive(value: Any) -> None:
    with pytest.raises(ConfigError, match="parameter 'p'"):
        build({}, parameters={"p": value})


@pytest.mark.parametrize("name", ["binary_data_output", "triton_final_response", "headers"])
def test_reserved_parameter(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*reserved"):
        build({}, parameters={name: True})


@pytest.mark.parametrize("parameters", [[("a", 1)], "a", 5])
def test_parameters_that_are_no_mapping(parameters: Any) -> None:
    with pytest.raises(ConfigError, match="parameters must be a mapping"):
        build({}, parameters=parameters)


@pytest.mark.parametrize("outputs", ["LABEL", b"LABEL", Output("LABEL"), {"LABEL"}, 5])
def test_outputs_that_are_no_list(outputs: Any) -> None:
    with pytest.raises(ConfigError, match=r"outputs must be a list.*\['LABEL'\]"):
        build({}, outputs)


def test_output_asked_for_twice() -> None:
    with pytest.raises(ConfigError, match="output 'X' is asked for twice"):
        build({}, ["X", Output("X", binary=False)])


@pytest.mark.parametrize("count", [0, -1, True, 1.0, "3", 2**64])
def test_class_count_that_is_no_count(count: Any) -> None:
    with pytest.raises(ConfigError, match="output 'X': class_count"):
        Output("X", class_count=count)


@pytest.mark.parametrize("binary", ["yes", 1, 0])
def test_binary_that_is_no_bool(binary: Any) -> None:
    with pytest.raises(ConfigError, match="binary"):
        Output("X", binary=binary)
    with pytest.raises(ConfigError, match="binary"):
        Input(ONE, binary=binary)
    with pytest.raises(ConfigError, match="binary"):
        build({}, binary=binary)


def test_unknown_datatype() -> None:
    with pytest.raises(ConfigError, match=r"unknown datatype 'float32'.*FP32"):
        Input(ONE, datatype="float32")


@pytest.mark.parametrize("shape", [[-1], [1.0], ["1"], 5, [None]])
def test_shape_that_is_no_shape(shape: Any) -> None:
    with pytest.raises(ConfigError, match="shape"):
        Input(ONE, shape=shape)


@pytest.mark.parametrize("shape", [[2], [], [0], [2**63]])
def test_shape_of_another_size(shape: list[int]) -> None:
    array = np.ones(3, np.int8)
    with pytest.raises(ConfigError, match=r"input 'A': shape .* but the data has 3"):
        build({"A": Input(array, shape=shape)})


def test_shape_that_numpy_cannot_have() -> None:
    with pytest.raises(ConfigError, match=r"input 'A': shape .* impossible"):
        build({"A": Input(np.ones(1, np.int8), shape=[1] * 65)})


@pytest.mark.parametrize("array", [np.ones(1, np.float16), np.ones(1, ml_dtypes.bfloat16)])
def test_half_precision_has_no_json_form(array: np.ndarray) -> None:
    for data, binary in ((array, False), (Input(array, binary=False), True)):
        with pytest.raises(ConfigError, match=r"input 'A': .*16 cannot be sent as JSON.*binary"):
            build({"A": data}, binary=binary)


def test_bytes_that_are_no_text_have_no_json_form() -> None:
    with pytest.raises(ConfigError, match="input 'A': element 1 is not UTF-8"):
        build({"A": np.array([b"fine", b"\xff"], dtype=object)}, binary=False)


@pytest.mark.parametrize("data", [None, {"a": 1}, {1, 2}, object(), (x for x in "ab"), 1j, [1, "a"], [None]])
def test_data_that_is_no_tensor(data: Any) -> None:
    with pytest.raises(ConfigError, match="input 'A': "):
        build({"A": data})


def test_array_is_never_converted() -> None:
    with pytest.raises(ConfigError, match=r"input 'A': the array is INT64, not INT32; .*astype\(numpy.int32\)"):
        build({"A": Input(np.ones(1, np.int64), datatype="INT32")})
    with pytest.raises(ConfigError, match="input 'A': the array is FP64, not BF16"):
        build({"A": Input(np.ones(1, np.float64), datatype="BF16")})
    with pytest.raises(ConfigError, match="input 'A': the array is BYTES, not INT32"):
        build({"A": Input(np.array(["1"]), datatype="INT32")})


def test_masked_elements_are_not_sent() -> None:
    masked = np.ma.masked_array([1, 2], mask=[False, True])
    with pytest.raises(ConfigError, match=r"input 'A': .*masked"):
        build({"A": masked})
    build({"A": np.ma.masked_array([1, 2], mask=[False, False])})
