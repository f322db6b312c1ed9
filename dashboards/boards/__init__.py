"""The boards, in the order in which one looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.boards.health import BOARD as HEALTH
from dashboards.boards.pool import BOARD as POOL
from dashboards.boards.requests import BOARD as REQUESTS
from dashboards.boards.server import BOARD as SERVER

if TYPE_CHECKING:
    from dashboards.spec import Board

__all__ = ["BOARDS"]

BOARDS: tuple[Board, ...] = (POOL, REQUESTS, SERVER, HEALTH)
