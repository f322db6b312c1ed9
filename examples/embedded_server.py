"""A server to try the other examples on: the embedded one of triton_otel.testing, until Ctrl-C.

Its models are identity, add_sub, sentiment, slow and fails.  Needs the extra: pip install 'triton-otel[testing]'.
"""

from __future__ import annotations

import argparse
import threading

from triton_otel.testing import EmbeddedTriton


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the embedded models.")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: 8000)")
    arguments = parser.parse_args()
    with EmbeddedTriton(port=arguments.port) as server:
        print(f"serving {', '.join(server.models)} at {server.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped")
