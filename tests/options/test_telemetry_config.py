from __future__ import annotations

import pytest

from triton_otel.errors import ConfigError
from triton_otel.options import TelemetryConfig


def test_defaults() -> None:
    assert TelemetryConfig() == TelemetryConfig("basic", "basic", "always", "auto")


def test_words_are_normalised_and_the_whole_is_hashable() -> None:
    assert hash(TelemetryConfig(metrics="OFF")) == hash(TelemetryConfig(metrics="off"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("metrics", "debug"), ("spans", "all"), ("propagation", "on"), ("log_fallback", True)]
)
def test_other_words_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^telemetry_{name}: .* write the text 'o?[a-z]+' or "):
        TelemetryConfig(**{name: value})  # type: ignore[arg-type]
