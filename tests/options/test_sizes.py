from __future__ import annotations

import numpy as np
import pytest

from triton_otel.errors import ConfigError
from triton_otel.options.sizes import parse_size


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (1, 1),
        (1048576, 1048576),
        (np.int64(7), 7),
        ("1048576", 1048576),
        ("10 B", 10),
        ("500 kB", 500_000),
        ("64 MB", 64_000_000),
        ("64MB", 64_000_000),
        (" 64  mb ", 64_000_000),
        ("3 GB", 3 * 10**9),
        ("1 TB", 10**12),
        ("1 KiB", 1024),
        ("2 MiB", 2 * 1024**2),
        ("2 gib", 2 * 1024**3),
        ("1 TiB", 1024**4),
    ],
)
def test_sizes(value: object, size: int) -> None:
    result = parse_size(value, name="max-response-size")
    assert result == size
    assert type(result) is int


@pytest.mark.parametrize(
    "value", ["", "MB", "1.5 MB", "-1 MB", "1e6", "64 MBit", "64 M", "6 4", "\u0663 MB", "9" * 16, "1 MB 2"]
)
def test_what_is_no_size_is_refused_with_examples(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^max-response-size: .* is no size; write for example \"64 MB\""):
        parse_size(value, name="max-response-size")


@pytest.mark.parametrize("value", [1.0, True, None, b"1", [1]])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"^max-response-size: .* is not a whole number"):
        parse_size(value, name="max-response-size")


@pytest.mark.parametrize("value", [0, "0", "0 MB", -5])
def test_nothing_is_no_limit(value: object) -> None:
    with pytest.raises(ConfigError, match=r"too small, it must be at least 1$"):
        parse_size(value, name="max-response-size")
