# Everything sets itself up on a fresh Debian 12 with Python: packages by apt, tools in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: test lint unit demo bench soak clean

test: lint unit

lint: $(VENV)/ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/ready
	.ci/packages bird2 frr gobgpd unbound nsd knot dnsperf bind9-dnsutils iproute2 nftables systemd
	# Most tests wait most of the time, so two cores serve three at once.
	$(BIN)/python -m pytest --numprocesses=3 --dist=worksteal

demo: $(VENV)/ready
	@.ci/packages bird2 frr gobgpd unbound bind9-dnsutils iproute2
	@$(BIN)/python -m anycast_routed.lab.demo

# The machine should have nothing else to do, and two cores.
bench: $(VENV)/ready
	.ci/packages bird2 frr gobgpd unbound nsd dnsperf bind9-dnsutils iproute2 nftables
	@echo "three benchmarks, about thirty minutes: apply 7, failover 17, scale 6"
	$(BIN)/python bench/apply.py
	$(BIN)/python bench/failover.py --svg docs/failover.svg
	$(BIN)/python bench/scale.py

# In full it takes about an hour; SOAK_MINUTES=8 shortens every part of it.
soak: $(VENV)/ready
	.ci/packages bird2 frr gobgpd unbound nsd dnsperf iproute2 nftables
	ANYCAST_ROUTED_EVERY_STEP=1 $(BIN)/python -m pytest --numprocesses=2 -k killed_at_any_step
	$(BIN)/python bench/soak.py $(if $(SOAK_MINUTES),--minutes $(SOAK_MINUTES))

$(VENV)/ready: pyproject.toml
	.ci/venv $(PYTHON) $(VENV)
	touch $@

clean:
	rm -rf $(VENV) dist build
