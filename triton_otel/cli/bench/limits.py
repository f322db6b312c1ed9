"""What the system allows a process."""

from __future__ import annotations

import resource

__all__ = ["many_files"]


def many_files() -> None:
    """Let this process have as many sockets as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says "infinity" and refuses it.
    wanted = 10_240 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
