"""The compose files fit this folder: pinned images, mounts that exist, the addresses that the configurations name.

No container runs here; what the programs make of their configurations is tested with the programs themselves.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.parts.golang import COLLECTOR_VERSION, JAEGER_VERSION
from collector.running.stack import MONITOR

COLLECTOR = Path(__file__).resolve().parents[2] / "collector"
COMPOSE = yaml.safe_load((COLLECTOR / "compose.yaml").read_text(encoding="utf-8"))
WITH_LOGS = yaml.safe_load((COLLECTOR / "compose.logs.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*")
VARIABLE = re.compile(r"\$\{env:(\w+)(?::-[^}]*)?\}")


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Paths in the container and what is mounted there, without what the caller names by a variable."""
    pairs = [volume.rsplit(":", 2) if volume.endswith(":ro") else volume.split(":") for volume in service["volumes"]]
    return {pair[1]: pair[0] for pair in pairs if not pair[0].startswith("${")}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned(name: str) -> None:
    assert PINNED.fullmatch(SERVICES[name]["image"])


def test_the_images_are_of_the_versions_that_are_tested() -> None:
    assert SERVICES["collector"]["image"].endswith(f":{COLLECTOR_VERSION}")
    assert SERVICES["jaeger"]["image"].endswith(f":{JAEGER_VERSION}")


@pytest.mark.parametrize("name", [name for name in SERVICES if "volumes" in SERVICES[name]])
def test_what_is_mounted_exists(name: str) -> None:
    for source in mounts(SERVICES[name]).values():
        assert source in COMPOSE["volumes"] or (COLLECTOR / source).exists(), source


def test_jaeger_finds_the_span_metrics_as_it_does_in_the_tests() -> None:
    assert MONITOR.items() <= SERVICES["jaeger"]["environment"].items()


def test_the_collector_is_started_with_files_that_are_mounted() -> None:
    for services in (COMPOSE["services"], WITH_LOGS["services"]):
        collector = {**SERVICES["collector"], **services["collector"]}
        given = {option.removeprefix("--config=") for option in collector["command"]}
        assert given <= {*mounts(SERVICES["collector"]), *mounts(collector)}


def test_a_variable_that_is_set_is_one_of_the_configuration() -> None:
    known = {
        name
        for file in ("config.yaml", "filelog.yaml")
        for name in VARIABLE.findall((COLLECTOR / file).read_text(encoding="utf-8"))
    }
    assert set(SERVICES["collector"]["environment"]) <= known
    assert set(WITH_LOGS["services"]["collector"]["environment"]) <= known


def test_every_variable_of_the_configuration_has_a_default_and_is_described() -> None:
    page = (COLLECTOR / "README.md").read_text(encoding="utf-8")
    for file in ("config.yaml", "filelog.yaml"):
        text = (COLLECTOR / file).read_text(encoding="utf-8")
        assert re.findall(r"\$\{env:\w+\}", text) == []
        for name in VARIABLE.findall(text):
            assert f"`{name}`" in page, name


def test_prometheus_asks_services_of_the_compose_file() -> None:
    config = yaml.safe_load((COLLECTOR / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = config["scrape_configs"]
    targets = {target for job in jobs for entry in job["static_configs"] for target in entry["targets"]}
    assert {target.split(":")[0] for target in targets} <= set(SERVICES)
    # The dashboards take job and instance for the program's own.
    assert [job["honor_labels"] for job in jobs if "collector:8889" in job["static_configs"][0]["targets"]] == [True]


def test_grafana_is_given_the_two_data_sources_and_the_boards() -> None:
    sources = yaml.safe_load((COLLECTOR / "grafana" / "datasources" / "stack.yaml").read_text(encoding="utf-8"))
    assert {source["type"] for source in sources["datasources"]} == {"prometheus", "jaeger"}
    for source in sources["datasources"]:
        assert re.fullmatch(r"http://(\w+):\d+", source["url"])[1] in SERVICES  # type: ignore[index]
    exemplars = sources["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"]
    assert [entry["datasourceUid"] for entry in exemplars] == [sources["datasources"][1]["uid"]]
    boards = yaml.safe_load((COLLECTOR / "grafana" / "dashboards" / "stack.yaml").read_text(encoding="utf-8"))
    (provider,) = boards["providers"]
    folder = mounts(SERVICES["grafana"])[provider["options"]["path"]]
    assert list((COLLECTOR / folder).glob("*.json"))
