"""``python -m triton_otel.cli``: the same as the command ``triton-otel``."""

from __future__ import annotations

import sys

from triton_otel.cli import main

if __name__ == "__main__":
    sys.exit(main())
