"""The panels' expressions are PromQL, and give the numbers that they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.boards import expressions
from support.promql import plain
from support.promtool import run

pytestmark = pytest.mark.timeout(60, func_only=True)

OURS = 'job="shop",instance="a"'
POOL = f'{OURS},triton_client_pool_name="p"'
INFER = f'{OURS},triton_model_name="m",url_template="/v2/models/{{model_name}}/infer"'
SERVER = 'model="m",version="1"'

# A quarter of an hour: 100 requests a minute, 5 of them fail and 10 open a connection; 8 ms outside the server.
SERIES = {
    f"triton_client_connections_active{{{POOL}}}": "27x15",
    f"triton_client_connections_idle{{{POOL}}}": "3x15",
    f"triton_client_connections_max{{{POOL}}}": "30x15",
    f'triton_client_connections_acquired_total{{{POOL},triton_connection_reused="true"}}': "0+90x15",
    f'triton_client_connections_acquired_total{{{POOL},triton_connection_reused="false"}}': "0+10x15",
    f"http_client_request_duration_seconds_count{{{INFER}}}": "0+95x15",
    f"http_client_request_duration_seconds_sum{{{INFER}}}": "0+1.9x15",
    f'http_client_request_duration_seconds_count{{{INFER},error_type="503"}}': "0+5x15",
    f'http_client_request_duration_seconds_sum{{{INFER},error_type="503"}}': "0+50x15",
    f"nv_inference_request_success_total{{{SERVER}}}": "0+95x15",
    f'nv_inference_request_failure_total{{{SERVER},reason="BACKEND"}}': "0+5x15",
    f"nv_inference_count_total{{{SERVER}}}": "0+380x15",
    f"nv_inference_exec_count_total{{{SERVER}}}": "0+95x15",
    f"nv_inference_request_duration_us_total{{{SERVER}}}": "0+1140000x15",
    f"nv_inference_queue_duration_us_total{{{SERVER}}}": "0+190000x15",
    f"nv_inference_compute_input_duration_us_total{{{SERVER}}}": "0+95000x15",
    f"nv_inference_compute_infer_duration_us_total{{{SERVER}}}": "0+760000x15",
    f"nv_inference_compute_output_duration_us_total{{{SERVER}}}": "0+47500x15",
}

# Panel and letter to the labels and the value of its one series then, rounded to three digits.
VALUES: dict[str, tuple[str, float]] = {
    "triton-otel-pool/Fullest pool/A": ("{}", 0.9),
    "triton-otel-pool/On a used connection/A": ('{triton_client_pool_name="p"}', 0.9),
    "triton-otel-pool/Share of requests that wait/A": ('{triton_client_pool_name="p"}', 0.0),
    "triton-otel-requests/Failed/A": ("{}", 0.05),
    "triton-otel-requests/Failed, by model/A": ('{triton_model_name="m"}', 0.05),
    "triton-otel-requests/Sent once more/A": ("{}", 0.0),
    "triton-otel-server/Mean time of $model, part by part/A": ('{model="m"}', 0.008),
    "triton-otel-server/Mean time of $model, part by part/D": ('{model="m"}', 0.002),
    "triton-otel-server/Mean time of $model, part by part/E": ('{model="m"}', 0.0005),
    "triton-otel-server/Mean time of $model, part by part/F": ('{model="m"}', 0.008),
    "triton-otel-server/Mean time of $model, part by part/G": ('{model="m"}', 0.02),
    "triton-otel-server/Outside the server, by model/A": ('{model="m"}', 0.008),
    "triton-otel-server/Queue against compute/A": ('{model="m"}', 0.25),
    "triton-otel-server/Mean batch/A": ('{model="m"}', 4.0),
    "triton-otel-server/Failed, client and server/A": ('{model="m"}', 0.05),
    "triton-otel-server/Failed, client and server/B": ('{model="m"}', 0.05),
    "triton-otel-health/Processes that report/A": ("{}", 1.0),
    "triton-otel-health/Processes that are blind/A": ("{}", 0.0),
}


def checked(promtool: Path, action: str, file: Path, content: Any) -> None:
    file.write_text(yaml.safe_dump(content))
    status, text = run(promtool, action, [file])
    assert status == 0, text


def test_every_expression_parses(promtool: Path, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": plain(expr), "labels": {"panel": name.replace("$", "")}}
        for number, (name, expr) in enumerate(expressions().items())
    ]
    assert len(rules) >= 50
    checked(promtool, "check", tmp_path / "panels.yml", {"groups": [{"name": "panels", "rules": rules}]})


def test_no_variable_is_left() -> None:
    for expr in expressions().values():
        assert "$" not in plain(expr).replace('"$1"', "")


def test_the_numbers_are_right(promtool: Path, tmp_path: Path) -> None:
    asked = expressions()
    checks = [
        # The means are rounded: promtool compares every digit.
        {
            "expr": f"round({plain(asked[name])}, 0.0001)",
            "eval_time": "10m",
            "exp_samples": [{"labels": labels, "value": value}],
        }
        for name, (labels, value) in VALUES.items()
    ]
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    case = {"name": "panels", "interval": "1m", "input_series": series, "promql_expr_test": checks}
    checked(promtool, "test", tmp_path / "values.yml", {"rule_files": [], "evaluation_interval": "1m", "tests": [case]})
