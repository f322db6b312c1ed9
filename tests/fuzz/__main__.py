"""The coverage-guided fuzzer: ``python tests/fuzz [options of libFuzzer]``; needs ``pip install atheris``.

New inputs go to ``.fuzz/`` in the working directory, which is read as well; the corpus in the repository is only read.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]


def main(arguments: list[str]) -> int:
    try:
        import atheris
    except ModuleNotFoundError:
        print("the fuzzer needs atheris: pip install atheris (wheels for Linux and macOS)", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["triton_otel.wire", "triton_otel.kserve"]):
        from fuzz.target import run
    from fuzz.mutate import CORPUS, TOKENS

    found = Path(".fuzz")
    found.mkdir(exist_ok=True)
    words = found / "tokens.txt"
    words.write_text("".join('"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in word)) for word in TOKENS))
    inputs = found / "inputs"
    inputs.mkdir(exist_ok=True)
    options = [f"-dict={words}", f"-artifact_prefix={found}/", "-timeout=10", "-rss_limit_mb=2048", *arguments]
    atheris.Setup([sys.argv[0], *options, str(inputs), str(CORPUS)], run)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
