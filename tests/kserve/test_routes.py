"""Paths keep whatever a model is called in its place."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from triton_otel.errors import ConfigError
from triton_otel.kserve import routes
from triton_otel.kserve.routes import Route


def test_server_routes() -> None:
    assert routes.server_live() == Route("GET", "/v2/health/live", "/v2/health/live")
    assert routes.server_ready() == Route("GET", "/v2/health/ready", "/v2/health/ready")
    assert routes.server_metadata() == Route("GET", "/v2", "/v2")


def test_model_routes() -> None:
    assert routes.infer("m") == Route("POST", "/v2/models/m/infer", "/v2/models/{model_name}/infer", "m", None)
    assert routes.infer("m", "3") == Route(
        "POST", "/v2/models/m/versions/3/infer", "/v2/models/{model_name}/versions/{model_version}/infer", "m", "3"
    )
    assert routes.model_ready("m").path == "/v2/models/m/ready"
    assert routes.model_ready("m", 3).template == "/v2/models/{model_name}/versions/{model_version}/ready"
    assert routes.model_metadata("m") == Route("GET", "/v2/models/m", "/v2/models/{model_name}", "m", None)
    assert routes.model_metadata("m", 3).path == "/v2/models/m/versions/3"
    assert routes.model_config("m").path == "/v2/models/m/config"
    assert routes.model_config("m", 3).template == "/v2/models/{model_name}/versions/{model_version}/config"


def test_number_and_text_of_a_version_are_the_same_route() -> None:
    assert routes.infer("m", 1) is routes.infer("m", "1")


def test_route_is_built_once() -> None:
    assert routes.infer("built-once", "1") is routes.infer("built-once", "1")


@pytest.mark.parametrize(
    "name", ["a/b", "a b", "ü", "a?b#c", "%2e%2e", "a%2Fb", "..a", "...", "a\\b", "日本", "a;b=c&d"]
)
def test_name_is_one_segment(name: str) -> None:
    for route, after in ((routes.infer(name), "infer"), (routes.infer("m", name), "infer")):
        path = route.path
        assert path.isascii()
        assert not set(path) & set(" ?#\\;&\r\n")
        segments = [unquote(segment) for segment in path.split("/")]
        assert segments[-2:] == [name, after]
        assert len(segments) == (5 if route.model_version is None else 7)


def test_route_keeps_the_name_as_written() -> None:
    route = routes.infer("a/ü", "v 1")
    assert (route.model_name, route.model_version) == ("a/ü", "v 1")


@pytest.mark.parametrize("name", ["", ".", "..", "a\r\nb", "a\x00", "\x7f", "\x85", "\ud800", 5, None, b"m", ["m"]])
def test_name_that_could_break_out_is_refused(name: object) -> None:
    for route in (routes.infer, routes.model_ready, routes.model_metadata, routes.model_config):
        with pytest.raises(ConfigError, match="model name"):
            route(name)  # type: ignore[operator]


@pytest.mark.parametrize("version", ["", ".", "..", "1\n", True, 1.0, b"1", ["1"]])
def test_version_that_could_break_out_is_refused(version: object) -> None:
    routes.infer("m", 1)
    with pytest.raises(ConfigError, match="model version"):
        routes.infer("m", version)  # type: ignore[arg-type]
