"""Token, headers and passwords are in no error, repr, log line, span or metric."""

from __future__ import annotations

import logging
import pickle
import traceback

import numpy as np
import pytest
from support.client_room import INPUTS, assert_serves

from triton_otel import ConfigError, TritonClient, TritonError
from triton_otel.testing import Fault

BOTH_CLIENTS = True

SECRET = "s3cr3t-Zq7"


def shown(error):
    return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=0)) + repr(
        (error, error.args, vars(error), error.__cause__)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"endpoint": f"http://user:{SECRET}@h:1"},
        {"endpoint": f"http://{SECRET}@h:1"},
        {"endpoint": f"http://h:1/?token={SECRET}"},
        {"endpoint": f"http://h:port/#{SECRET}"},
        {"auth_token": f"{SECRET}\n"},
        {"auth_token": [SECRET]},
        {"auth_token": SECRET, "headers": {"Authorization": SECRET}},
        {"headers": {"X": f"{SECRET}\r\n"}},
        {"headers": f"X:{SECRET},{SECRET}"},
        {"headers": {f"X: {SECRET}": ""}},
        {"headers": [SECRET]},
        {"tls_key_password": SECRET},
        {"tls_key_password": [SECRET]},
    ],
    ids=str,
)
def test_settings_that_are_refused(arguments):
    with pytest.raises(ConfigError) as caught:
        TritonClient(**{"endpoint": "h:1", **arguments})
    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"auth-tokn": SECRET},
        {"custom-header": f"X:{SECRET}"},
        {"password": SECRET},
        {"tls-key-pasword": SECRET},
        {"custom-headers": f"X{SECRET}"},
    ],
    ids=str,
)
def test_options_that_are_refused(options):
    with pytest.raises(ConfigError) as caught:
        TritonClient.from_options({"endpoint": "h:1", **options})
    assert SECRET not in shown(caught.value)


def test_headers_of_a_call_that_are_refused(server):
    with TritonClient(server.url) as client:
        for headers in ({"X": f"{SECRET}\n"}, {f"X: {SECRET}": "a"}, {"Host": SECRET}, {"traceparent": SECRET}):
            with pytest.raises(ConfigError) as caught:
                client.infer("identity", INPUTS, headers=headers)
            assert SECRET not in shown(caught.value)


def test_a_client_in_use(server, metering, tracing, caplog):
    caplog.set_level(logging.DEBUG)
    client = TritonClient(
        server.url,
        auth_token=SECRET,
        headers={"X-Key": f"{SECRET}-too"},
        timeout=5,
        tracer_provider=tracing.provider,
        meter_provider=metering.provider,
    )
    with client:
        assert_serves(client)
        for fault in (Fault.status(401), Fault.garbage(), Fault.reset(), Fault.answer(200, b"{"), Fault.half_answer()):
            server.inject(fault)
            with pytest.raises(TritonError) as caught:
                client.infer("identity", INPUTS, headers={"X-Call": f"{SECRET}-three"})
            assert SECRET not in shown(caught.value)
            assert SECRET.encode() not in pickle.dumps(caught.value)
        server.inject(Fault.hang())
        with pytest.raises(TritonError) as caught:
            client.infer("identity", {"INPUT0": np.zeros(3)}, timeout=0.1)
        assert SECRET not in shown(caught.value)
        assert SECRET not in repr(client) + repr(vars(client._core)) + repr(vars(client))
        metrics = metering.reader.get_metrics_data().to_json()
    assert server.seen[0].headers["authorization"] == f"Bearer {SECRET}"
    assert server.seen[-1].headers["x-key"] == f"{SECRET}-too"
    assert len(tracing.spans) == 7
    assert SECRET not in "".join(span.to_json() for span in tracing.spans)
    assert SECRET not in metrics
    assert SECRET not in caplog.text
    assert SECRET not in repr([vars(record) for record in caplog.records])
