"""What infer takes, and what goes over the wire for it: one request, with exactly that in it."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from support.client_room import INPUTS, X, assert_serves

from triton_otel import Input, Output, TritonClient
from triton_otel.testing import EmbeddedTriton, Model, TensorSpec, default_models

BOTH_CLIENTS = True

TEXTS = np.array([["what a good day"], ["awful rain"]], dtype=object)


@pytest.fixture
def asked():
    """Parameters that the model ``echo`` was called with."""
    return []


@pytest.fixture
def server(asked):
    """A server whose model ``echo`` notes the parameters of its requests and has two versions."""

    def latency(parameters):
        asked.append(dict(parameters))
        return 0.0

    echo = Model(
        "echo",
        [TensorSpec("INPUT0")],
        [TensorSpec("OUTPUT0")],
        lambda inputs: {"OUTPUT0": inputs["INPUT0"]},
        versions=("1", "3"),
        latency=latency,
        parameters={"took": 1},
    )
    with EmbeddedTriton([*default_models(), echo]) as running:
        yield running


@pytest.fixture
def client(server):
    with TritonClient(server.url) as made:
        yield made


@pytest.mark.parametrize("binary", [True, False])
def test_arrays_of_several_inputs_and_outputs(client, server, binary):
    result = client.infer("add_sub", {"INPUT0": X, "INPUT1": X + 1}, binary=binary)
    assert list(result) == ["OUTPUT0", "OUTPUT1"]
    assert result["OUTPUT0"].tolist() == [1.0, 3.0, 5.0]
    assert result["OUTPUT1"].tolist() == [-1.0, -1.0, -1.0]
    assert result["OUTPUT0"].dtype == np.float32
    assert (result.model_name, result.model_version, result.id, result.parameters) == ("add_sub", "1", None, {})
    assert server.requests == 1


@pytest.mark.parametrize("binary", [True, False])
def test_texts(client, binary):
    result = client.infer("sentiment", {"TEXT": TEXTS}, binary=binary)
    assert result["LABEL"].tolist() == [[b"positive"], [b"negative"]]
    assert result["SCORE"].shape == (2, 1)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("text", [b"text"]),
        (b"\x00\xff", [b"\x00\xff"]),
        (["a", "bc"], [b"a", b"bc"]),
        ([1, 2, 3], [1, 2, 3]),
        ([[1.5], [2.5]], [[1.5], [2.5]]),
        ((True, False), [True, False]),
        (np.float16(2), 2.0),
        (Input([1, 2], datatype="INT8"), [1, 2]),
        (Input(np.arange(4), shape=(2, 2)), [[0, 1], [2, 3]]),
    ],
    ids=str,
)
def test_forms_of_an_input(client, data, expected):
    array = client.infer("identity", {"INPUT0": data})["OUTPUT0"]
    assert array.tolist() in (expected, [expected])


def test_an_input_decides_for_itself_whether_it_is_binary(client, server):
    client.infer("identity", {"INPUT0": Input(X, binary=False)})
    client.infer("identity", {"INPUT0": Input(X, binary=True)}, binary=False)
    types = [seen.headers["content-type"] for seen in server.seen]
    assert types == ["application/json", "application/octet-stream"]
    assert ["inference-header-content-length" in seen.headers for seen in server.seen] == [False, True]


def test_outputs_by_name_and_by_output(client):
    inputs = {"INPUT0": X, "INPUT1": X}
    assert list(client.infer("add_sub", inputs, outputs=["OUTPUT1"])) == ["OUTPUT1"]
    assert list(client.infer("add_sub", inputs, outputs=[Output("OUTPUT0", binary=False)])) == ["OUTPUT0"]
    mixed = client.infer("add_sub", inputs, outputs=[Output("OUTPUT0", binary=False), "OUTPUT1"])
    assert set(mixed) == {"OUTPUT0", "OUTPUT1"}
    assert list(client.infer("add_sub", inputs, outputs=[])) == ["OUTPUT0", "OUTPUT1"]


def test_an_input_without_elements(client):
    assert client.infer("identity", {"INPUT0": np.empty((0, 4), np.int64)})["OUTPUT0"].shape == (0, 4)


def test_a_large_input_goes_and_comes_whole(client):
    data = np.arange(1_000_000, dtype=np.float32)
    assert np.array_equal(client.infer("identity", {"INPUT0": data})["OUTPUT0"], data)


def test_version_and_the_servers_choice(client, server):
    assert client.infer("echo", INPUTS, version=1).model_version == "1"
    assert client.infer("echo", INPUTS, version="1").model_version == "1"
    assert client.infer("echo", INPUTS).model_version == "3"
    assert [seen.path for seen in server.seen] == [
        "/v2/models/echo/versions/1/infer",
        "/v2/models/echo/versions/1/infer",
        "/v2/models/echo/infer",
    ]


def test_request_id_and_parameters_of_the_answer(client):
    result = client.infer("echo", INPUTS, request_id="my-id")
    assert (result.id, result.parameters) == ("my-id", {"took": 1})


def test_parameters_and_server_timeout(client, asked):
    client.infer("echo", INPUTS, parameters={"a": 1, "b": "two", "c": True}, binary=False)
    client.infer("echo", INPUTS, parameters={"a": 1}, server_timeout=250_000, binary=False)
    client.infer("echo", INPUTS, server_timeout=1, binary=False)
    assert asked == [{"a": 1, "b": "two", "c": True}, {"a": 1, "timeout": 250_000}, {"timeout": 1}]


def test_the_callers_parameters_are_not_changed(client):
    parameters = {"a": 1}
    client.infer("echo", INPUTS, parameters=parameters, server_timeout=5)
    assert parameters == {"a": 1}


def test_model_from_the_settings(server):
    with TritonClient(server.url, model_name="echo", model_version=1) as client:
        assert client.infer(inputs=INPUTS).model_version == "1"
        assert client.infer(INPUTS).model_version == "1"
        assert client.infer("echo", INPUTS).model_version == "1"
        assert client.infer("echo", INPUTS, version=3).model_version == "3"
        # The version belongs to the model of the settings, not to another one.
        assert client.infer("identity", INPUTS).model_name == "identity"
        assert server.seen[-1].path == "/v2/models/identity/infer"
        assert client.model_ready()
        assert client.model_metadata()["name"] == "echo"
    assert server.seen[-1].path == "/v2/models/echo/versions/1"


def test_model_from_options(server):
    options = {"endpoint": server.url, "provider": "triton", "model-name": "echo", "model-version": "latest"}
    with TritonClient.from_options(options) as client:
        assert client.infer(INPUTS).model_version == "3"
    assert server.seen[-1].path == "/v2/models/echo/infer"


def test_the_word_latest_sends_no_version(server):
    with TritonClient(server.url, model_name="echo", model_version=1) as client:
        assert client.infer(inputs=INPUTS, version="latest").model_version == "3"
    assert server.seen[-1].path == "/v2/models/echo/infer"


@pytest.mark.parametrize("ending", ["", "/", "/v2", "/v2/models", "/v2/models/x/infer"])
def test_endings_of_an_endpoint(server, ending):
    with TritonClient(server.url + ending) as client:
        client.infer("identity", INPUTS)
        assert client.endpoint == server.url
    assert server.seen[-1].path == "/v2/models/identity/infer"


def test_host_and_port_alone_are_plain_http(server):
    with TritonClient(f"{server.host}:{server.port}") as client:
        assert client.server_live()


def test_a_base_path_is_kept():
    with EmbeddedTriton(base_path="/models/triton") as server, TritonClient(server.url) as client:
        assert client.server_ready()
        client.infer("identity", INPUTS)
        assert [seen.path for seen in server.seen] == [
            "/models/triton/v2/health/ready",
            "/models/triton/v2/models/identity/infer",
        ]


def test_an_address_of_ipv6():
    try:
        server = EmbeddedTriton(host="::1").start()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with server, TritonClient(server.url) as client:
        result = client.infer("identity", INPUTS)
        assert result.connection.peer == ("::1", server.port)
        assert server.seen[-1].headers["host"] == f"[::1]:{server.port}"


def test_a_model_name_cannot_leave_its_place(client, server):
    from triton_otel import ServerError

    with pytest.raises(ServerError) as caught:
        client.infer("../health/live?x=1#y", INPUTS)
    assert caught.value.status == 404
    (seen,) = server.seen
    assert (seen.path, seen.query) == ("/v2/models/..%2Fhealth%2Flive%3Fx%3D1%23y/infer", "")
    assert_serves(client)


@pytest.mark.parametrize("timeout", [20, 20.0, "20 s", "PT20S", datetime.timedelta(seconds=20)])
def test_forms_of_a_time(client, timeout):
    assert len(client.infer("identity", INPUTS, timeout=timeout)) == 1


def test_every_call_is_one_request(client, server):
    for call in (
        lambda: client.infer("identity", INPUTS),
        lambda: client.infer("identity", INPUTS, binary=False, outputs=["OUTPUT0"]),
        client.server_live,
        client.server_ready,
        client.server_metadata,
        lambda: client.model_ready("identity"),
        lambda: client.model_metadata("identity"),
    ):
        before = server.requests
        call()
        assert server.requests == before + 1
    assert server.connections_accepted == 1


def test_headers_of_a_request(client, server):
    client.infer("identity", INPUTS)
    client.server_live()
    infer, live = (seen.headers for seen in server.seen)
    assert infer["host"] == live["host"] == f"{server.host}:{server.port}"
    assert infer["user-agent"].startswith("triton_otel/")
    assert int(infer["content-length"]) > int(infer["inference-header-content-length"])
    assert not {"content-length", "transfer-encoding", "content-type"} & set(live)
    for seen in server.seen:
        names = [name for name, _ in seen.raw_headers]
        assert len(names) == len(set(names))
