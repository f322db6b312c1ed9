"""Where the clients send: the servers of the benchmark, or a Triton that the user named."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.child import Server
from triton_otel import TritonClient, TritonError
from triton_otel.cli.bench.target import Target, Tensor
from triton_otel.kserve.dtypes import NUMERIC
from triton_otel.options import Endpoint

ROUND_TRIP = 0.020
SMALL = 16


@dataclass(frozen=True)
class Site:
    """What there is to measure against."""

    plain: Target
    """A target of the plain server, or of the user's own."""
    foreign: bool
    """Whether it is the user's own."""
    shape: tuple[int, ...]
    """Shape of the input; -1 is free."""
    tls: Target | None = None
    far: dict[str, Target] | None = None
    """By scheme: the same behind a round trip."""
    otlp_endpoint: str | None = None

    def sized(self, target: Target, payload: int) -> Target | None:
        """Return a target whose tensor has so many bytes; ``None`` where the model does not take it."""
        (tensor,) = target.inputs
        count = payload // NUMERIC[tensor.datatype].itemsize
        shape = [1 if dimension == -1 else dimension for dimension in self.shape]
        free = [index for index, dimension in enumerate(self.shape) if dimension == -1]
        if free:
            rest = 1
            for dimension in shape:
                rest *= dimension
            shape[free[-1]] = max(1, count // rest)
        sized = replace(target, inputs=(replace(tensor, shape=tuple(shape)),))
        return sized if payload == SMALL * 4 or sized.payload() == payload else None


@contextlib.contextmanager
def own(*, tls: bool, far: bool, otlp: bool) -> Iterator[Site]:
    """Start the servers that are needed, each in its process."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        arguments, ca_file = [], None
        if tls:
            ca_file = certificates(folder)
            arguments = ["--cert", str(folder / "server.pem")]
        server = stack.enter_context(Server("identity_server", *arguments))
        plain = Target(
            client="",
            scheme="http",
            host=server.facts["host"],
            port=server.port,
            base_path="",
            model="identity",
            inputs=(Tensor("INPUT0", "FP32", (1, SMALL)),),
            outputs=("OUTPUT0",),
        )
        secure = replace(plain, scheme="https", port=server.facts["tls_port"], ca_file=ca_file) if tls else None
        distant = None
        if far:
            near = [target for target in (plain, secure) if target is not None]
            distant = {target.scheme: _behind(stack, target) for target in near}
        sink = stack.enter_context(Server("otlp_sink")) if otlp else None
        endpoint = f"http://{sink.facts['host']}:{sink.port}" if sink else None
        yield Site(plain, foreign=False, shape=(1, -1), tls=secure, far=distant, otlp_endpoint=endpoint)


@contextlib.contextmanager
def foreign(endpoint: Endpoint, model: str, *, otlp: bool) -> Iterator[Site]:
    """Use a running Triton and one of its models, which must have one numeric input."""
    try:
        with TritonClient(str(endpoint)) as client:
            described = client.model_metadata(model)
    except TritonError as error:
        raise SystemExit(f"{model}: {error}") from None
    target, shape = _described(described, endpoint)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Server("otlp_sink")) if otlp else None
        otlp_endpoint = f"http://{sink.facts['host']}:{sink.port}" if sink else None
        yield Site(target, foreign=True, shape=shape, otlp_endpoint=otlp_endpoint)


def _described(described: dict[str, Any], endpoint: Endpoint) -> tuple[Target, tuple[int, ...]]:
    inputs = described["inputs"]
    if len(inputs) != 1 or inputs[0]["datatype"] not in NUMERIC:
        told = ", ".join(f"{one['name']} {one['datatype']}" for one in inputs)
        raise SystemExit(f"the model must have one input, of a number type; {described['name']} has: {told}")
    shape = tuple(int(dimension) for dimension in inputs[0]["shape"])
    target = Target(
        client="",
        scheme=endpoint.scheme,
        host=endpoint.host,
        port=endpoint.port,
        base_path=endpoint.base_path,
        model=described["name"],
        inputs=(Tensor(inputs[0]["name"], inputs[0]["datatype"], tuple(1 if size == -1 else size for size in shape)),),
        outputs=(described["outputs"][0]["name"],),
    )
    return target, shape


def _behind(stack: contextlib.ExitStack, target: Target) -> Target:
    relay = stack.enter_context(Server("delay_relay", target.host, str(target.port), "--round-trip", str(ROUND_TRIP)))
    return replace(target, port=relay.port)


def certificates(folder: Path) -> str:
    """Make an authority and a server's certificate; return the authority's file."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return str(folder / "ca.pem")
