"""Advice on a pool's options, from recorded numbers: decisions only, no files, no network.

``advise(samples, options, server)`` applies the formulas of CONNECTION_POOL_README.md and says which options to change,
to what, and why.  The samples come from ``client.pool_stats()`` (:meth:`Sample.of`), or from wherever the numbers are
kept; the command ``triton-otel advise`` reads them from a Prometheus or from a log.
"""

from __future__ import annotations

from triton_otel.advice.load import Load
from triton_otel.advice.review import Advice, Review, Server, advise
from triton_otel.advice.samples import Sample

__all__ = ["Advice", "Load", "Review", "Sample", "Server", "advise"]
