"""The programs themselves accept the configuration files."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from collector.parts import Parts
from collector.running.stack import CONFIG, FILELOG, PROMETHEUS_CONFIG, RULES

pytestmark = pytest.mark.timeout(60, func_only=True)

SETS = [(CONFIG,), (CONFIG, FILELOG)]
COMPONENT = re.compile(r"^  - gomod: \S+/(\w+) v", re.MULTILINE)


def run(*command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("COLLECTOR_", "OTEL_"))}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


@pytest.mark.parametrize("configs", SETS, ids=["otlp", "otlp-and-log"])
def test_the_collector_accepts_its_configuration(parts: Parts, configs: tuple[Path, ...]) -> None:
    done = run(str(parts.collector), "validate", *(f"--config={config}" for config in configs))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_collector_refuses_a_configuration_with_a_mistake(parts: Parts, tmp_path: Path) -> None:
    """That it accepts the others says something."""
    wrong = tmp_path / "config.yaml"
    wrong.write_text(CONFIG.read_text(encoding="utf-8").replace("send_batch_size:", "send_batch_sise:"))
    done = run(str(parts.collector), "validate", f"--config={wrong}")
    assert done.returncode != 0
    assert "send_batch_sise" in done.stderr


def test_prometheus_accepts_its_configuration_with_the_rules(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS_CONFIG.read_text(encoding="utf-8"))
    (tmp_path / "rules").symlink_to(RULES)
    done = run(str(parts.promtool), "check", "config", "prometheus.yml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for rules in RULES.glob("*.yml"):
        assert f"Checking rules/{rules.name}" in done.stdout
