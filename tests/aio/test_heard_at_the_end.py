"""An answer that is heard while the last bytes of a request are written is not early, one before further bytes is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import httpcore
import pytest
from support.raw_server import answer

from triton_otel.wire.aio.hearing import HearingAsyncStream
from triton_otel.wire.early import EarlyAnswer


@pytest.mark.parametrize("further", [b"", b"0\r\n\r\n"], ids=["a known length", "chunked"])
def test_what_is_written_after_it(further: bytes) -> None:
    async def main() -> None:
        stream = HearingAsyncStream(httpcore.AsyncMockStream([]))
        link: Any = SimpleNamespace(early=False)
        stream._link = link
        stream._early = early = EarlyAnswer()
        early.add(answer(status="413 Too Large"))
        assert early.answered
        # httpcore writes the end of a body as it comes from its parser: nothing, where the length was told.
        await stream.write(further)
        assert link.early == bool(further)

    anyio.run(main)
