"""A wrong setting or argument is a ConfigError that names it, and nothing is opened, shared or sent."""

from __future__ import annotations

import numpy as np
import pytest
from support.client_room import INPUTS, X, assert_serves

from triton_otel import ConfigError, ConnectionPoolConfig, Input, TritonClient
from triton_otel.client import registry

BOTH_CLIENTS = True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"endpoint": "http://h:99999"}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"pool": {"max_idle": 3}}, "ConnectionPoolConfig"),
        ({"pool_name": ""}, "pool_name"),
        ({"timeout": 5, "pool": ConnectionPoolConfig(connection_timeout=5)}, "connection-timeout"),
        ({"telemetry_metrics": "lots"}, "basic"),
        ({"telemetry_spans": "all"}, "basic"),
        ({"model_version": "newest"}, "model_version"),
        ({"headers": {"Host": "x"}}, "Host"),
        ({"headers": {"traceparent": "x"}}, "telemetry.propagation"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers"),
        ({"tls_verify": "perhaps"}, "tls_verify"),
        ({"tls_key_file": "key.pem"}, "tls-cert-file"),
    ],
    ids=str,
)
def test_settings(arguments, words):
    with pytest.raises(ConfigError) as caught:
        TritonClient(**{"endpoint": "http://triton:8000", **arguments})
    assert words in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert registry.references() == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "endpoint"),
        ({"endpoint": "h:1", "connection-pool-max-idel": "3"}, "connection-pool-max-idle"),
        ({"endpoint": "h:1", "connection-pool-max-total": "0"}, "connection-pool-max-total"),
        ({"endpoint": "h:1", "connection-pool-max-idle": "30", "connection-pool-max-total": "20"}, "max-total"),
        ({"endpoint": "h:1", "provider": "openai"}, "triton"),
        ({"endpoint": "h:1", "connection-pool-keep-alive": "5 apples"}, "keep-alive"),
    ],
    ids=str,
)
def test_options(options, words):
    with pytest.raises(ConfigError) as caught:
        TritonClient.from_options(options)
    assert words in str(caught.value)
    assert registry.references() == {}


def test_files_of_tls(tmp_path, authority):
    missing, nonsense = tmp_path / "missing.pem", tmp_path / "nonsense.pem"
    nonsense.write_text("this is no PEM")
    cert, _key = authority.server
    for arguments, words in [
        ({"tls_ca_file": missing}, "tls-ca-file"),
        ({"tls_ca_file": nonsense}, "tls-ca-file"),
        ({"tls_ca_file": tmp_path}, "tls-ca-file"),
        ({"tls_cert_file": missing}, "tls-cert-file"),
        ({"tls_cert_file": cert, "tls_key_file": nonsense}, "nonsense.pem"),
        ({"tls_cert_file": cert, "tls_key_file": authority.ca_file}, "tls-key-file"),
    ]:
        with pytest.raises(ConfigError) as caught:
            TritonClient("https://triton", **arguments)
        assert words in str(caught.value)
        assert registry.references() == {}


@pytest.fixture
def client(server):
    with TritonClient(server.url) as made:
        yield made


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "inputs"),
        (("identity",), "inputs"),
        (("identity", [X]), "inputs"),
        (("identity", {"INPUT0": object()}), "INPUT0"),
        (("identity", {"INPUT0": np.array(["2024-01-01"], "datetime64[D]")}), "INPUT0"),
        (("identity", {"INPUT0": [[1], [2, 3]]}), "INPUT0"),
        (("identity", {"INPUT0": Input([300], datatype="INT8")}), "INPUT0"),
        (("identity", {"": X}), "input name"),
        (("identity", {1: X}), "input name"),
        ((INPUTS,), "model-name"),
        ((INPUTS, INPUTS), "inputs is given as well"),
        (("", INPUTS), "model name"),
        (("..", INPUTS), "model name"),
        (("a\nb", INPUTS), "model name"),
        ((7, INPUTS), "model name"),
    ],
)
def test_arguments_by_position(client, server, arguments, words):
    with pytest.raises(ConfigError) as caught:
        client.infer(*arguments)
    assert words in str(caught.value)
    assert server.connections_accepted == 0
    assert_serves(client)


@pytest.mark.parametrize(
    "arguments",
    [
        {"version": ""},
        {"version": ".."},
        {"version": 1.0},
        {"version": True},
        {"outputs": "OUTPUT0"},
        {"outputs": ["OUTPUT0", "OUTPUT0"]},
        {"outputs": [1]},
        {"request_id": ""},
        {"request_id": "a\x00"},
        {"request_id": 1},
        {"parameters": [("a", 1)]},
        {"parameters": {"a": None}},
        {"parameters": {"a": float("nan")}},
        {"parameters": {"binary_data_output": False}},
        {"parameters": {"a": 2**64}},
        {"server_timeout": 0},
        {"server_timeout": -5},
        {"server_timeout": 1.5},
        {"server_timeout": True},
        {"server_timeout": "5"},
        {"server_timeout": 2**63},
        {"parameters": [("a", 1)], "server_timeout": 5},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": "soon"},
        {"timeout": float("nan")},
        {"timeout": True},
        {"headers": [("a", "b")]},
        {"headers": {"a": 1}},
        {"binary": 1},
    ],
    ids=str,
)
def test_arguments_by_name(client, server, arguments):
    (name, _), *_ = arguments.items()
    with pytest.raises(ConfigError) as caught:
        client.infer("identity", INPUTS, **arguments)
    word = {"version": "version", "outputs": "output"}.get(name, name.removesuffix("s"))
    assert word in str(caught.value)
    assert server.connections_accepted == 0
    assert_serves(client)


def test_probes_check_theirs(client, server):
    for call in (
        lambda: client.server_live(timeout=0),
        lambda: client.server_ready(headers={"Host": "x"}),
        lambda: client.server_metadata(timeout="x"),
        lambda: client.model_ready(),
        lambda: client.model_metadata(""),
        lambda: client.model_metadata("m", "."),
    ):
        with pytest.raises(ConfigError):
            call()
    assert server.connections_accepted == 0
