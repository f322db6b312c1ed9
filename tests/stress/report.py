"""The report of a run, as text."""

from __future__ import annotations

from stress.run import Run

__all__ = ["lines"]


def lines(run: Run) -> list[str]:
    """Return the report."""
    ledger, watch = run.ledger, run.watch
    assert watch is not None
    total = ledger.total()
    text = [
        f"{total} operations in {run.seconds:g} s by {run.threads} threads, seed {run.seed}: {run.shape.about}",
        "",
        "what came of them",
    ]
    for operation in sorted(ledger.outcomes):
        counter = ledger.outcomes[operation]
        text.append(f"  {operation:24}" + ", ".join(f"{name} {count}" for name, count in counter.most_common()))
    text += ["", "pools and their servers"]
    for side in run.sides:
        stats, most = side.final, watch.most[side.name]
        if stats is None:
            continue
        text += [
            f"  {side.name}",
            f"    most connections {most['total']} of {stats.max_total}, most idle {most['idle']} of {stats.max_idle}",
            f"    most queued {most['queued']}; most sockets at the server {side.report.get('peak')}",
            f"    opened {stats.opened}, used again {stats.acquired_reused}, sent once more {stats.resends}",
            f"    closed {dict(stats.closed)}",
            f"    the server: {side.report.get('requests')} requests, {side.report.get('played')}",
            f"    errors {dict(ledger.errors[side.name])}",
        ]
    text += [
        "",
        "the process",
        f"  the books were looked at {watch.looks} times; memory grew by {watch.growth() / 2**20:.1f} MB",
        f"  threads {run.before[0]} before and {run.after[0]} after, descriptors {run.before[1]} and {run.after[1]}",
        f"  slots of closed pools in memory {run.slots_left}",
        "",
    ]
    if not ledger.violations:
        return [*text, "no violation"]
    text.append(f"{len(ledger.violations) + ledger.more_violations} VIOLATIONS")
    return [*text, *(f"  {violation[:1000]}" for violation in ledger.violations)]
