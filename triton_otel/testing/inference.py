"""The server's half of an inference: run the model on a request's inputs and build the answer from its outputs.

Texts and statuses are those of Triton 2.51.  Source: Open Inference Protocol v2 (REST) and Triton's *Binary Tensor Data
Extension*.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from triton_otel.errors import ConfigError
from triton_otel.kserve.dtypes import NUMERIC, datatype_of
from triton_otel.kserve.tensor import Array, encode, to_bytes_list
from triton_otel.testing.answer import Answer, Refusal
from triton_otel.testing.model import ModelError
from triton_otel.testing.request import InferRequest, read_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_otel.testing.model import Model

__all__ = ["infer"]

_JSON = (b"content-type", b"application/json")
_BINARY = (b"content-type", b"application/octet-stream")
_HEADER_LENGTH = b"inference-header-content-length"


async def infer(model: Model, version: str, body: bytes, header_length: bytes | None, latency: float) -> Answer:
    """Answer one inference request.

    Parameters:
        model: The model.
        version: Version to be named in the answer.
        body: The request's body.
        header_length: Value of ``Inference-Header-Content-Length``, ``None`` when the header is absent.
        latency: Seconds to sleep in addition to the model's own latency.

    Raises:
        Refusal: The request is wrong, or the model failed.
    """
    request = read_request(model, body, header_length)
    own = model.latency(request.parameters) if callable(model.latency) else model.latency
    if own + latency > 0:
        await asyncio.sleep(own + latency)
    produced = await _run(model, request)
    try:
        return _build(model, version, request, produced)
    except (ConfigError, KeyError) as error:
        raise Refusal(
            f"the function of model '{model.name}' gave unusable outputs: {error}", 500, plain=True
        ) from error


async def _run(model: Model, request: InferRequest) -> Mapping[str, Any]:
    try:
        produced: Any = model.function(request.arrays)
        return await produced if model.is_coroutine else produced  # type: ignore[no-any-return]
    except ModelError as error:
        raise Refusal(str(error), error.status, plain=True) from error
    except Exception as error:
        raise Refusal(
            f"Failed to process the request(s) for model '{model.name}_0_0', message: {type(error).__name__}: {error}"
            f"\n\nAt:\n{_places(error)}",
            500,
            plain=True,
        ) from error


def _places(error: BaseException) -> str:
    places: list[str] = []
    # The first frame is the server's own.
    step = error.__traceback__.tb_next if error.__traceback__ is not None else None
    while step is not None:
        code = step.tb_frame.f_code
        places.insert(0, f"  {code.co_filename}({step.tb_lineno}): {code.co_name}\n")
        step = step.tb_next
    return "".join(places)


def _build(model: Model, version: str, request: InferRequest, produced: Mapping[str, Any]) -> Answer:
    head: dict[str, Any] = {"id": request.id} if request.id else {}
    head["model_name"] = model.name
    head["model_version"] = version
    if model.parameters:
        head["parameters"] = dict(model.parameters)
    outputs: list[dict[str, Any]] = []
    buffers: list[bytes | memoryview] = []
    strict = True
    for name, spec in model.output_specs.items():
        if request.wanted is not None and name not in request.wanted:
            continue
        array = np.asarray(produced[name])
        datatype = spec.datatype or _datatype(array, request)
        output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if request.binary_default if request.wanted is None else request.wanted[name]:
            piece = encode(array, datatype)
            output["parameters"] = {"binary_data_size": len(piece)}
            if len(piece):
                buffers.append(piece)
        else:
            output["data"], fine = _json_data(array, datatype)
            strict = strict and fine
        outputs.append(output)
    head["outputs"] = outputs
    text = orjson.dumps(head) if strict else _lenient(head)
    if not buffers:
        # Also for outputs that were asked for in binary and are empty, as Triton does.
        return Answer(200, [_JSON], [text])
    return Answer(200, [_BINARY, (_HEADER_LENGTH, b"%d" % len(text))], [text, *buffers])


def _json_data(array: Array, datatype: str) -> tuple[list[Any], bool]:
    if datatype in {"FP16", "BF16"}:
        raise Refusal(
            f"sending {datatype} data via JSON is not supported. Please use the binary data format for output",
            plain=True,
        )
    if datatype == "BYTES":
        items = to_bytes_list(array)
        try:
            return [item.decode() for item in items], True
        except UnicodeDecodeError:
            return [item.decode(errors="surrogateescape") for item in items], False
    if datatype_of(array.dtype) != datatype:
        raise ConfigError(f"the array is {array.dtype}, which is not {datatype}")
    flat: list[Any] = array.ravel().tolist()
    return flat, NUMERIC[datatype].kind != "f" or bool(np.isfinite(array).all())


def _lenient(document: dict[str, Any]) -> bytes:
    # Triton writes NaN and Infinity bare, and bytes that are no UTF-8 as they are; orjson does neither.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="surrogateescape")


def _datatype(array: Array, request: InferRequest) -> str:
    # An array that came in and goes out as it is keeps its name: without ml_dtypes, BF16 is a float32 array.
    for name, given in request.arrays.items():
        if given is array:
            return request.datatypes[name]
    return datatype_of(array.dtype)
