"""What the SDK's own samplers decide, worked out without asking them: asking takes a dozen calls and three objects."""

from __future__ import annotations

from typing import Any

__all__ = ["Rules"]

_LOW = (1 << 64) - 1
_ALL = 1 << 64


class Rules:
    """The decisions of one sampler: a trace is sampled if the low 64 bits of its id are below a bound.

    Parameters:
        sampler: One of the SDK's.

    Raises:
        LookupError: Another one, which has to be asked.
    """

    __slots__ = ("_bounds",)

    def __init__(self, sampler: Any) -> None:
        from opentelemetry.sdk.trace import sampling

        if type(sampler).should_sample is sampling.ParentBased.should_sample:
            root, *others = (
                sampler._root,
                sampler._remote_parent_sampled,
                sampler._remote_parent_not_sampled,
                sampler._local_parent_sampled,
                sampler._local_parent_not_sampled,
            )
            self._bounds = (_bound(root), *map(_bound, others))
        else:
            self._bounds = (_bound(sampler),) * 5

    def sampled(self, trace_id: int, parent: Any) -> bool:
        """Return whether a span is recorded and sampled; else it is dropped.

        Parameters:
            trace_id: Id of its trace.
            parent: Its parent's context, a valid one; ``None`` for a root.
        """
        which = 0 if parent is None else (1 if parent.is_remote else 3) + (not parent.trace_flags & 1)
        return (trace_id & _LOW) < self._bounds[which]


def _bound(sampler: Any) -> int:
    from opentelemetry.sdk.trace import sampling

    asks = type(sampler).should_sample
    if asks is sampling.StaticSampler.should_sample:
        bounds = {sampling.Decision.DROP: 0, sampling.Decision.RECORD_AND_SAMPLE: _ALL}
        return bounds[sampler._decision]
    if asks is sampling.TraceIdRatioBased.should_sample and sampler.TRACE_ID_LIMIT == _LOW:
        return int(sampler.bound)
    raise LookupError(f"{sampler!r} has to be asked")
