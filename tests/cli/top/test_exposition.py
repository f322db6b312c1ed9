"""The text of a /metrics page: labels, escapes, exemplars, what is not ours; and looks one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel.cli.sources.exposition import Page, parse
from triton_otel.cli.sources.series import pools, quantile

NAME = "triton_client_connections_active"


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        (f"{NAME} 3", {}, 3),
        (f'{NAME}{{triton_client_pool_name="a"}} 3.0', {"triton_client_pool_name": "a"}, 3),
        (f'{NAME}{{a="x",b="y",}} 1e3 1700000000000', {"a": "x", "b": "y"}, 1000),
        (f'{NAME}{{a="with \\"quotes\\", a \\\\ and }} "}} 2', {"a": 'with "quotes", a \\ and } '}, 2),
        (f'{NAME}{{a="two\\nlines"}} 2', {"a": "two\nlines"}, 2),
        (f'{NAME}_bucket{{le="0.1"}} 5 # {{trace_id="abc"}} 0.05 1700000000.1', {"le": "0.1"}, 5),
        (f'{NAME}{{a=""}} +Inf', {"a": ""}, float("inf")),
    ],
)
def test_a_sample(line: str, labels: dict[str, str], value: float) -> None:
    ((found, number),) = parse(f"# HELP x y\n# TYPE x gauge\n{line}\nother_metric 7\n")
    assert {key: word for key, word in found.items() if key != "__name__"} == labels
    assert number == value


@pytest.mark.parametrize(
    "line", [NAME, f"{NAME}{{a=", f"{NAME} many", f"{NAME}{{}} ", "triton_client_", "triton_client_x{a}b 1"]
)
def test_a_line_that_is_no_sample_is_left_out(line: str) -> None:
    assert list(parse(f"{line}\n{NAME} 1\n")) == [({"__name__": NAME}, 1.0)]


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    for labels, _ in parse(f"{NAME}{text}\n{text}"):
        assert labels["__name__"]


def test_a_series_that_is_gone_is_forgotten() -> None:
    page = Page()
    page.look(1, f"{NAME} 1\n{NAME}_x 1")
    (kept,) = page.look(2, f"{NAME} 2")
    assert kept.points == ((1, 1), (2, 2))


def test_memory_is_bounded() -> None:
    page = Page()
    for time in range(1000):
        (kept,) = page.look(time, f"{NAME} {time}")
    assert len(kept.points) == 300
    assert kept.points[-1] == (999, 999)


def test_durations_belong_to_the_only_pool_of_their_process() -> None:
    def page(*names: str) -> str:
        own = "".join(f'{NAME}{{triton_client_pool_name="{name}"}} 1\n' for name in names)
        return own + 'http_client_request_duration_seconds_count{url_template="/v2/models/{model_name}/infer"} 5\n'

    (alone,) = pools(Page().look(1, page("a")))
    assert alone.value("http_client_request_duration_seconds_count", 1) == 5
    for one in pools(Page().look(1, page("a", "b"))):
        assert one.requests == ()


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=12).filter(any), st.floats(0, 1))
def test_a_percentile_is_within_the_bucket_of_its_rank(counts: list[int], share: float) -> None:
    bounds = [*(0.001 * 2**index for index in range(len(counts) - 1)), float("inf")]
    running, buckets = 0, []
    for bound, count in zip(bounds, counts, strict=True):
        running += count
        buckets.append((bound, float(running)))
    found = quantile(share, buckets)
    assert found is not None
    index = next(index for index, (_, count) in enumerate(buckets) if count >= share * running)
    lower = bounds[index - 1] if index else 0.0
    assert lower <= found * (1 + 1e-9)
    assert found <= (lower if bounds[index] == float("inf") else bounds[index]) * (1 + 1e-9)


@pytest.mark.parametrize("buckets", [[], [(1.0, 5.0)], [(1.0, 0.0), (float("inf"), 0.0)]])
def test_there_is_no_percentile_of_nothing(buckets: list[tuple[float, float]]) -> None:
    assert quantile(0.5, buckets) is None
