"""What a forked child must not take over from its parent: locks that nobody will release, counts, and connections.

The SDK gives a child a service instance of its own and starts its threads again.  What it leaves is renewed here, on
the parts that ``configure()`` made; each step is guarded, for they are private.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider

__all__ = ["renew_in_children"]


def renew_in_children(
    meter_provider: MeterProvider | None, exporters: Iterable[object], more: Iterable[Callable[[], object]] = ()
) -> None:
    """Have every process that is forked from this one start over.

    Parameters:
        meter_provider: Its counts begin at zero there; ``None`` for none.
        exporters: Exporters and readers; those over HTTP get connections of their own.
        more: What else is to be called there.
    """
    parts = tuple(exporters)
    steps: list[Callable[[], object]] = [partial(step, part) for step in (_reconnect, _renew_locks) for part in parts]
    if meter_provider is not None:
        steps.append(partial(_forget_counts, meter_provider))
    steps += more

    def renew() -> None:
        for step in steps:
            try:
                step()
            except Exception:  # noqa: BLE001 - another version of the SDK
                note("a forked child keeps a part of its parent's telemetry")

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


# The parent's: their locks may be held for ever here, so that they must not even be collected.
_kept: list[Any] = []


def _reconnect(exporter: Any) -> None:
    """Give an exporter over HTTP new pools of connections: on one socket the answers of two processes would mix."""
    transport = getattr(getattr(exporter, "_client", None), "_transport", None)
    # Older exporters hold it themselves.
    session = getattr(transport, "_session", None) or getattr(exporter, "_session", None)
    if session is None:
        return
    for prefix, adapter in tuple(session.adapters.items()):
        _kept.append(adapter)
        # A copy has the settings and opens connections of its own.
        session.adapters[prefix] = copy.copy(adapter)


def _renew_locks(reader: Any) -> None:
    """Renew the locks of a reader that was collecting or exporting when the process was forked."""
    for name, kind in (("_lock", threading.RLock), ("_export_lock", threading.Lock)):
        if hasattr(reader, name):
            setattr(reader, name, kind())


def _forget_counts(provider: Any) -> None:
    """Let every series begin anew: what was counted so far was counted by the parent, which tells it."""
    consumer = provider._measurement_consumer
    consumer._lock = threading.Lock()
    for storage in consumer._reader_storages.values():
        storage._lock = threading.RLock()
        storage._instrument_view_instrument_matches = {}
    # Another object, by which whoever keeps a way into the old series sees that it leads nowhere.
    consumer._reader_storages = dict(consumer._reader_storages)
