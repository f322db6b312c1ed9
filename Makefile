# Two commands for a fresh machine with Python 3.10 or newer: `make demo` and `make test`.  Both make .venv themselves.

VENV := .venv
BIN := $(VENV)/bin
# The first Python on the PATH that is new enough; `make PYTHON=python3.12 …` takes another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo $$p; break; }; done)
# Arguments for the demo, pytest and the benchmarks: make demo ARGS='--seconds 5', make test ARGS='-k pool'.
ARGS ?=

.PHONY: help demo stack test bench stress fuzz lint types format generate dashboards clean

help:
	@echo 'make demo    an instrumented client on an embedded server, about 15 seconds'
	@echo 'make stack   collector, Jaeger, Prometheus and Triton, without containers; the first time it builds for minutes'
	@echo 'make test    all tests, with the real Triton and the real stack where the machine can have them'
	@echo 'make bench   side by side with other clients, minutes; ARGS=--quick for a short form'
	@echo 'make stress  servers that misbehave, two minutes for each shape of load; ARGS="--minutes 10" for longer'
	@echo 'make fuzz    damaged answers for five minutes; ARGS=-max_total_time=3600 for longer'
	@echo 'make lint    ruff check and format check'
	@echo 'make types   mypy, strict'
	@echo 'make format  ruff format'
	@echo 'make generate  write the generated modules, pages and dashboards'
	@echo 'make dashboards  write the Grafana dashboards (Python 3.11 or newer)'
	@echo 'make clean   remove .venv and caches'

demo: $(VENV)/demo.stamp
	@$(BIN)/triton-otel demo $(ARGS)

stack: $(VENV)/demo.stamp
	@$(BIN)/python -m collector run $(ARGS)

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -n 2 $(ARGS)

bench: $(VENV)/dev.stamp
	@$(BIN)/python -m benchmarks $(ARGS)

stress: $(VENV)/dev.stamp
	@$(BIN)/python tests/stress $(ARGS)

fuzz: $(VENV)/dev.stamp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	@$(BIN)/python tests/fuzz -max_total_time=300 $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(VENV)/dev.stamp
	$(BIN)/python tests/support/sync_face.py
	$(BIN)/python -m triton_otel.options.render docs/options.md
	$(BIN)/python -m triton_otel.telemetry.render docs/telemetry.md
	$(BIN)/python -m dashboards.generate

dashboards: $(VENV)/dev.stamp
	$(BIN)/python -m dashboards.generate

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo 'make: no Python 3.10 or newer was found on the PATH; name one: make PYTHON=/path/to/python demo' >&2; exit 1; }
	@echo 'making $(VENV) with $(PYTHON) …'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: $(VENV)/bin/python pyproject.toml
	@echo 'installing triton_otel and what it needs …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cli,testing]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/bin/python pyproject.toml
	@echo 'installing triton_otel and what its tests need …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/demo.stamp
