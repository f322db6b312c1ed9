"""Colours of the drawings, for light and dark."""

from __future__ import annotations

__all__ = ["CSS"]

CSS = """
:root { --idle: #58a6b8; --active: #2e8b57; --queued: #c77700; --total: #1f5fbf; --max: #b3261e;
  --blocked: #c77700; --connect: #b3261e; --tls: #9b3fb5; --send: #1f5fbf; --wait: #2e8b57; --receive: #1592a6;
  --client: #8a9099; --histogram: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --idle: #4f98aa; --active: #3fae72; --queued: #f0a13a; --total: #6ea8ff; --max: #ff8a80;
    --blocked: #f0a13a; --connect: #ff8a80; --tls: #c98be0; --send: #6ea8ff; --wait: #3fae72; --receive: #4cc3d6;
    --client: #7d848d; --histogram: #6ea8ff; } }
.area-active { fill: var(--active); fill-opacity: .55; } .area-idle { fill: var(--idle); fill-opacity: .35; }
.run-total, .run-queued, .run-max { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.run-total { stroke: var(--total); } .run-queued { stroke: var(--queued); stroke-width: 2; }
.run-max { stroke: var(--max); stroke-dasharray: 6 4; }
.key-idle { fill: var(--idle); } .key-active { fill: var(--active); } .key-queued { fill: var(--queued); }
.key-total { fill: var(--total); } .key-max { fill: var(--max); }
.bin { fill: var(--histogram); fill-opacity: .8; }
.mark { stroke: var(--ink); stroke-opacity: .7; stroke-dasharray: 3 3; }
.part { stroke: var(--rule); stroke-width: 1.5; }
.phase-blocked { fill: var(--blocked); } .phase-connect { fill: var(--connect); } .phase-tls { fill: var(--tls); }
.phase-send { fill: var(--send); } .phase-wait { fill: var(--wait); } .phase-receive { fill: var(--receive); }
.phase-client { fill: var(--client); }
.size-in-use { fill: var(--active); } .size-wanted { fill: var(--queued); } .size-limit { fill: var(--total); }
"""
"""What the drawings need beside the style of every report."""
