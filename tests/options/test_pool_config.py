from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel.errors import ConfigError
from triton_otel.options import ConnectionPoolConfig


def test_fields_are_normalised_so_that_spelling_does_not_matter() -> None:
    spellings: list[float | timedelta | str] = [300, 300.0, timedelta(minutes=5), "5 min", "300000 ms", "PT5M"]
    configs = {ConnectionPoolConfig(max_idle=30, keep_alive=keep_alive) for keep_alive in spellings}
    assert configs == {ConnectionPoolConfig(max_idle=30, keep_alive=300)}
    assert configs.pop().keep_alive == 300.0


def test_unset_fields_are_none() -> None:
    assert set(vars(ConnectionPoolConfig()).values()) == {None}


def test_it_is_frozen_and_keyword_only() -> None:
    config = ConnectionPoolConfig(max_idle=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_idle = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        ConnectionPoolConfig(3)  # type: ignore[call-arg]


def test_copies_and_pickles_are_equal() -> None:
    config = ConnectionPoolConfig(max_idle=3, keep_alive="1 min").resolve(30)
    assert pickle.loads(pickle.dumps(config)) == config
    assert copy.deepcopy(config) == config
    assert dataclasses.replace(config, max_idle=4).max_idle == 4


def test_repr_shows_what_is_set() -> None:
    assert repr(ConnectionPoolConfig()) == "ConnectionPoolConfig()"
    config = ConnectionPoolConfig(keep_alive="5 min", max_idle=30)
    assert repr(config) == "ConnectionPoolConfig(max_idle=30, keep_alive=300.0)"
    assert repr(config.resolve(30)) == (
        "ConnectionPoolConfig(max_idle=30, keep_alive=300.0, max_total=100, connection_timeout=10.0, reuse=True, "
        "monitoring=False, stats_interval=30.0, warm_up=0)"
    )


def test_resolve_fills_the_documented_defaults() -> None:
    assert ConnectionPoolConfig().resolve(30) == ConnectionPoolConfig(
        max_idle=20,
        keep_alive="5 min",
        max_total=100,
        connection_timeout="10 s",
        reuse=True,
        monitoring=False,
        stats_interval="30 s",
        warm_up=0,
    )


@pytest.mark.parametrize(
    "spelled",
    [
        {"max_idle": 20},
        {"keep_alive": "PT5M"},
        {"max_total": 100},
        {"connection_timeout": 10},
        {"reuse": True},
        {"monitoring": False},
        {"stats_interval": 30},
    ],
)
def test_a_default_and_the_same_value_spelled_out_are_equal_and_of_equal_hash(spelled: dict[str, object]) -> None:
    default, explicit = ConnectionPoolConfig().resolve(30), ConnectionPoolConfig(**spelled).resolve(30)  # type: ignore[arg-type]
    assert default == explicit
    assert hash(default) == hash(explicit)


@pytest.mark.parametrize(("timeout", "expected"), [(30, 10.0), (20, 10.0), (19, 9.5), (4, 2.0), (0.001, 0.0005)])
def test_the_default_connection_timeout_gives_way_to_the_timeout(timeout: float, expected: float) -> None:
    assert ConnectionPoolConfig().resolve(timeout).connection_timeout == expected


@pytest.mark.parametrize(("max_total", "expected"), [(100, 20), (20, 20), (19, 19), (1, 1)])
def test_the_default_max_idle_gives_way_to_max_total(max_total: int, expected: int) -> None:
    assert ConnectionPoolConfig(max_total=max_total).resolve(30).max_idle == expected


def test_what_is_unlimited_by_default_stays_none() -> None:
    resolved = ConnectionPoolConfig().resolve(30)
    assert (resolved.max_lifetime, resolved.queue_timeout, resolved.max_queued) == (None, None, None)


@pytest.mark.parametrize("connection_timeout", ["30 s", "31 s", 1000])
def test_a_set_connection_timeout_does_not_give_way(connection_timeout: float | str) -> None:
    config = ConnectionPoolConfig(connection_timeout=connection_timeout)
    with pytest.raises(
        ConfigError, match=r"connection-timeout is .* must be less than timeout, which is 30 s; .* 15 s"
    ):
        config.resolve(30)
    assert config.resolve(2000).connection_timeout == config.connection_timeout


def test_a_set_max_idle_does_not_give_way() -> None:
    with pytest.raises(ConfigError, match=r"max_idle\) is 31 .* which is 30; use at most 30"):
        ConnectionPoolConfig(max_idle=31, max_total=30)
    config = ConnectionPoolConfig(max_idle=101)
    with pytest.raises(ConfigError, match="which is 100 by default; use at most 100"):
        config.resolve(30)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_idle": -1},
        {"max_total": 0},
        {"max_queued": -1},
        {"warm_up": -1},
        {"keep_alive": 0},
        {"connection_timeout": -1},
        {"stats_interval": "0 s"},
        {"max_lifetime": float("nan")},
        {"queue_timeout": float("inf")},
        {"reuse": "yes"},
        {"monitoring": 1},
        {"max_idle": True},
        {"keep_alive": True},
        {"max_total": 10.0},
    ],
)
def test_values_outside_their_range_are_refused_by_name(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"^{name}: "):
        ConnectionPoolConfig(**wrong)  # type: ignore[arg-type]


def test_the_least_valid_values() -> None:
    config = ConnectionPoolConfig(max_idle=0, max_total=1, max_queued=0, keep_alive="1 ms").resolve(30)
    assert (config.max_idle, config.max_total, config.max_queued, config.keep_alive) == (0, 1, 0, 0.001)


def test_long_times_are_valid_where_no_socket_waits_for_them() -> None:
    config = ConnectionPoolConfig(keep_alive="365 d", max_lifetime="365 d")
    assert config.keep_alive == config.max_lifetime == 365 * 86400.0
    with pytest.raises(ConfigError, match=r"connection_timeout: .* too long"):
        ConnectionPoolConfig(connection_timeout="365 d")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), True, "soon"])
def test_resolve_refuses_a_timeout_without_sense(timeout: float) -> None:
    with pytest.raises(ConfigError, match=r"^timeout: "):
        ConnectionPoolConfig().resolve(timeout)


@given(
    st.none() | st.integers(0, 300),
    st.none() | st.integers(1, 300),
    st.none() | st.floats(0.001, 1000),
    st.floats(0.001, 1000),
)
def test_what_resolves_is_complete_consistent_and_stable(
    max_idle: int | None, max_total: int | None, connection_timeout: float | None, timeout: float
) -> None:
    try:
        config = ConnectionPoolConfig(max_idle=max_idle, max_total=max_total, connection_timeout=connection_timeout)
        resolved = config.resolve(timeout)
    except ConfigError:
        beyond = max_idle is not None and max_idle > (100 if max_total is None else max_total)
        assert beyond or (connection_timeout is not None and connection_timeout >= timeout)
        return
    assert resolved.max_idle is not None
    assert resolved.max_total is not None
    assert resolved.connection_timeout is not None
    assert resolved.max_idle <= resolved.max_total
    assert resolved.connection_timeout < timeout
    assert resolved.resolve(timeout) == resolved
    for name in ("max_idle", "max_total", "connection_timeout"):
        assert getattr(config, name) in (None, getattr(resolved, name))
