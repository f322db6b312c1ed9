"""A small server that answers as a Prometheus does, from recorded answers, or as none should.

It is there for faults, and for numbers that stay the same; what a real Prometheus makes of queries is tested with one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

__all__ = ["Told", "told"]


@dataclass
class Told:
    """What it answers, and what it was asked."""

    answers: dict[str, bytes] = field(default_factory=dict)
    """Body by a word of the query or the path; the first that fits."""
    status: int = 200
    cut: int = 0
    """Bytes that are announced and not sent."""
    asked: list[str] = field(default_factory=list)
    """Path of each request, with the query after a blank."""
    url: str = ""


@contextmanager
def told(answers: dict[str, bytes], status: int = 200, cut: int = 0) -> Iterator[Told]:
    """Answer for as long as the context lasts."""
    state = Told(answers, status, cut)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            query = parse_qs(self.rfile.read(length).decode()).get("query", [""])[0]
            asked = f"{self.path} {query}"
            state.asked.append(asked)
            body = next((body for word, body in state.answers.items() if word in asked), None)
            self.send_response(state.status if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"") + state.cut))
            self.end_headers()
            self.wfile.write(body or b"")

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
