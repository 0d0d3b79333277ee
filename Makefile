# Everything sets itself up on a fresh Debian 12 with Python: packages by apt, tools in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: test lint unit demo bench clean

test: lint unit

lint: $(VENV)/ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/ready
	.ci/packages bird2 frr gobgpd unbound nsd dnsperf bind9-dnsutils iproute2 nftables systemd
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal

demo: $(VENV)/ready
	@.ci/packages bird2 frr gobgpd unbound bind9-dnsutils iproute2
	@$(BIN)/python -m anycast_routed.lab.demo

bench: $(VENV)/ready
	.ci/packages bird2 frr gobgpd unbound dnsperf bind9-dnsutils iproute2
	$(BIN)/python bench/apply.py

$(VENV)/ready: pyproject.toml
	.ci/venv $(PYTHON) $(VENV)
	touch $@

clean:
	rm -rf $(VENV) dist build
