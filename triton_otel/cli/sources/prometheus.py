"""A Prometheus, asked for the points that it has scraped.

It is asked for range vectors (``metric[1h]``), which are the points as they were scraped, with their times.  Values at
steps, as a range query gives them, repeat and skip scrapes, and the rate of the busiest seconds would be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from triton_otel.cli.failure import CliError
from triton_otel.cli.sources.series import DURATION, POOL, Series
from triton_otel.cli.sources.web import fetch_json
from triton_otel.cli.words import one_line

__all__ = ["Prometheus"]

_OF_POOLS = "triton_client_(connections_(idle|active|queued|max|max_idle)|(connections_.*|resends)_total)"
_TIMES = "triton_client_connections_wait_time_seconds_(sum|count)"
_BUCKETS = "triton_client_connections_create_time_seconds_bucket"


class Prometheus:
    """The HTTP API of a Prometheus, or of what answers as one.

    Parameters:
        url: Its address, with the path before ``/api`` if there is one.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def points(self, seconds: float, pool: str | None = None, *, buckets: bool = False) -> list[Series]:
        """Return the points of the last so many seconds.

        Parameters:
            seconds: How far back.
            pool: Name of the pool; ``None`` for all.
            buckets: Whether the buckets of the durations are asked for, too.

        Raises:
            CliError: It does not answer, or not as a Prometheus.
        """
        names = f"{_OF_POOLS}|{_TIMES}|{_BUCKETS}"
        which = "" if pool is None else f",{POOL}={_quoted(pool)}"
        kinds = "_(sum|count|bucket)" if buckets else "_(sum|count)"
        span = f"[{max(1, round(seconds))}s]"
        found = self.query(f'{{__name__=~"{names}"{which}}}{span}')
        return found + self.query(f'{{__name__=~"{DURATION}{kinds}",url_template=~".*v2/.*"}}{span}')

    def query(self, expression: str) -> list[Series]:
        """Return what an expression gives; a value of one moment is a series of one point.

        Raises:
            CliError: It does not answer, or not as a Prometheus.
        """
        answer = fetch_json(f"{self._url}/api/v1/query", urlencode({"query": expression}).encode("ascii"))
        if not isinstance(answer, dict) or answer.get("status") != "success":
            said = one_line(answer.get("error", "")) if isinstance(answer, dict) else ""
            raise CliError(f"{self._url} does not answer as a Prometheus{': ' + said if said else ''}")
        try:
            return [_series(one) for one in answer["data"]["result"]]
        except (KeyError, TypeError, ValueError) as error:
            raise CliError(f"the answer of {self._url} is not that of a Prometheus") from error


def _series(told: Mapping[str, Any]) -> Series:
    values = told["values"] if "values" in told else [told["value"]]
    return Series(dict(told["metric"]), tuple((float(time), float(value)) for time, value in values))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
