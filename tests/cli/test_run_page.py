"""The drawings of the report: bins, steps and marks, without a browser."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel import ConnectionInfo, ConnectionPoolConfig, PoolStats, Timing
from triton_otel.cli.recording import Moment, Recorder, Recording
from triton_otel.cli.runpage.histogram import bins, histogram
from triton_otel.cli.runpage.page import render, settings_of
from triton_otel.cli.runpage.timeline import thinned, timeline, whole_ticks
from triton_otel.cli.runpage.waterfall import waterfall


def moment(time: float, active: int, queued: int = 0, idle: int = 0) -> Moment:
    total = idle + active
    return Moment(time, PoolStats(idle=idle, active=active, queued=queued, total=total, max_total=4, acquired_new=1))


def recording(name: str, *moments: Moment, latencies: tuple[float, ...] = (0.001, 0.002)) -> Recording:
    timing = Timing(None, 0.001, None, 0.001, 0.006, 0.001, 0.01)
    sample = (timing, ConnectionInfo(1, False, 0.0, 1, None))
    config = ConnectionPoolConfig(max_total=4).resolve(30.0)
    return Recording(name, config, moments, latencies, len(latencies), 0, sample, sample)


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=300))
def test_every_value_is_in_the_bin_around_it(values: list[float]) -> None:
    found = bins(values)
    assert sum(count for _, _, count in found) == len(values)
    for begin, end, count in found:
        assert count == sum(begin * (1 - 1e-9) <= value < end * (1 - 1e-9) for value in values)
    assert all(first[1] == second[0] for first, second in itertools.pairwise(found))


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=50))
def test_a_histogram_is_well_formed_and_stays_in_its_frame(values: list[float]) -> None:
    drawn = ElementTree.fromstring(histogram("x", sorted(values)))
    assert drawn.find(".//rect") is not None
    for bar in drawn.iter("rect"):
        x, y, width, height = (float(bar.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 70 <= x <= x + width <= 841
        assert y >= 76
        assert abs(y + height - 260) < 0.2


def test_a_number_holds_until_the_next_look() -> None:
    drawing = timeline("x", [recording("run", moment(0, 0), moment(1, 2), moment(2, 4))])
    (total,) = re.findall(r'class="run-total" d="M([^"]*)"', drawing)
    corners = [tuple(map(float, corner.split())) for corner in total.split("L")]
    assert len(corners) == 5
    assert all(first[0] == second[0] or first[1] == second[1] for first, second in itertools.pairwise(corners))
    # Most is 4: from the floor of the drawing to its upper edge.
    assert (corners[0][1], corners[-1][1]) == (280.0, 46.0)


def test_thinning_keeps_the_longest_queue() -> None:
    moments = [moment(number / 10, 4, queued=9 if number == 577 else 1) for number in range(5000)]
    kept = thinned(moments, 100)
    assert len(kept) <= 102
    assert max(one.stats.queued for one in kept) == 9
    assert (kept[0], kept[-1]) == (moments[0], moments[-1])


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 30, 100, 1234])
def test_connections_are_counted_in_whole_numbers(most: int) -> None:
    ticks = whole_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert all(tick == int(tick) for tick in ticks)


def test_a_phase_that_did_not_happen_has_no_bar() -> None:
    drawing = waterfall("x", Timing(None, None, None, 0.001, 0.006, 0.001, 0.01))
    assert re.findall(r'class="phase-(\w+)"', drawing) == ["send", "wait", "receive", "client"]
    assert drawing.count(">none<") == 3


def test_the_page_holds_a_run_that_nobody_answered() -> None:
    page = render("run", [recording("empty", moment(0, 0), latencies=())], {"cpus": 2}, ["Words with <b>."])
    assert '<figure class="timeline">' in page
    assert '<figure class="latencies">' not in page
    assert "Words with &lt;b&gt;." in page


def test_settings_are_told_by_the_keys_of_the_options() -> None:
    told = settings_of(recording("run", moment(0, 0)))
    assert told["connection-pool-max-total"] == "4"
    assert told["connection-pool-keep-alive"] == "5 min"
    assert told["connection-reuse-enabled"] == "true"
    assert "connection-max-lifetime" not in told


def test_a_recorder_keeps_begin_and_end_in_bounded_memory() -> None:
    looks = iter(range(100_000))
    recorder = Recorder(lambda: PoolStats(opened=next(looks)), began=0.0, interval=60.0, most=100)
    with recorder:
        for _ in range(1000):
            recorder.look()
    assert len(recorder.moments) <= 100
    assert recorder.moments[0].stats.opened == 0
    assert recorder.moments[-1].stats.opened == next(looks) - 1
    times = [one.time for one in recorder.moments]
    assert times == sorted(times)
