"""Measures clients side by side: the core of the command ``triton-otel bench`` and of the repository's benchmarks.

Each client runs in a process of its own (``worker``), which the one that measures (``measure``) tells what to do.
"""

from __future__ import annotations
