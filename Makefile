# Each target installs what it needs on a fresh Debian 12 or 13 with Python: packages with apt, Python
# tools in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests and benchmarks run the program as another user too.
RUN := .ci/reachable $(BIN)/python -m

# With this set, each of the thousand starts of the program would compile it again. An installed
# program is compiled.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: test lint style types unit booted releases matrix demo bench soak fuzz reliability deb sbom audit lock clean

test: lint unit

# The two parts run at the same time, one on each core.
lint: $(VENV)/ready
	+$(MAKE) --jobs=2 --output-sync types style

style: $(VENV)/ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive anycast_routed packaging

types: $(VENV)/ready
	$(BIN)/mypy

unit: $(VENV)/ready
	.ci/packages bird2/bird3 frr gobgpd unbound nsd knot bind9 dnsmasq-base dnsperf bind9-dnsutils \
		iproute2 nftables systemd vagrant shellcheck man-db groff zsh fish python3 python3-pip
	# Most tests mostly wait, so six run at the same time on two cores.
	$(RUN) pytest --numprocesses=6 --dist=worksteal -m "not booted and not slow and not releases"

# The Debian package, and the program on a Debian with its own systemd. Root only.
booted: $(VENV)/ready
	.ci/packages bird2/bird3 frr gobgpd unbound bind9-dnsutils iproute2 nftables systemd \
		systemd-container debootstrap ruby shellcheck python3 python3-pip
	# The tests of one file share their machines.
	$(RUN) pytest --numprocesses=4 --dist=loadscope -m 'booted and not matrix'

# The life of a prefix on each release of BIRD and FRR; the first run builds their files with
# debootstrap. Root only.
releases: $(VENV)/ready
	.ci/packages bird2/bird3 frr gobgpd unbound bind9-dnsutils iproute2 nftables debootstrap
	$(RUN) pytest --numprocesses=4 --dist=worksteal -m 'releases and not matrix'

# All tests of the routers on each release, the package on its booted Debian, and the time of a
# withdrawal; then the table in docs/releases.md. For one release: make matrix RELEASE=trixie-bird3
# It takes about an hour, and needs an idle machine for the times: TIMES=no leaves them out. Root
# only.
RELEASE ?= bookworm trixie trixie-bird3 sid sid-bird3
TIMES ?= yes
matrix: $(VENV)/ready
	.ci/packages bird2/bird3 frr gobgpd unbound nsd knot dnsperf bind9-dnsutils iproute2 nftables \
		debootstrap systemd-container ruby shellcheck
	.ci/reachable .ci/matrix $(if $(filter no,$(TIMES)),--no-times) $(RELEASE)

demo: $(VENV)/ready
	@.ci/packages bird2/bird3 frr gobgpd unbound bind9-dnsutils iproute2
	@$(BIN)/python -m anycast_routed.lab.demo

# The machine should be idle and have two cores.
bench: $(VENV)/ready
	.ci/packages bird2/bird3 frr gobgpd unbound nsd bind9 dnsmasq-base dnsperf bind9-dnsutils iproute2 \
		nftables
	@echo "six benchmarks, about 65 minutes: apply 7, failover 17, scale 6, growth 8, full_table 14, quiet_host 9"
	$(RUN) bench.apply
	$(RUN) bench.failover --svg docs/failover.svg
	$(RUN) bench.scale
	$(RUN) bench.growth
	$(RUN) bench.full_table
	$(RUN) bench.quiet_host

# The full run takes about two hours; SOAK_MINUTES=8 shortens every part.
soak: $(VENV)/ready
	.ci/packages bird2/bird3 frr gobgpd unbound nsd knot bind9 dnsmasq-base pdns-recursor knot-resolver \
		dnsdist dnsperf bind9-dnsutils iproute2 nftables
	ANYCAST_ROUTED_EVERY_STEP=1 ANYCAST_ROUTED_SCHEDULES=200 \
		ANYCAST_ROUTED_RELOADS=$(if $(SOAK_MINUTES),5,20) \
		$(RUN) pytest --numprocesses=2 --dist=worksteal -m "soak or slow"
	$(RUN) bench.soak $(if $(SOAK_MINUTES),--minutes $(SOAK_MINUTES))

# Fuzz the parsers of external input with atheris: config files, DNS replies, answers of routers.
FUZZ_SECONDS ?= 60
fuzz: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --group fuzz
	$(RUN) bench.fuzz --seconds $(FUZZ_SECONDS)

# Write the table of faults and their tests in docs/reliability.md from the markers of the tests.
reliability: $(VENV)/ready
	$(BIN)/python -m tests.support.reliability_table

# Build the package for the Debian of this machine from the working tree, with uncommitted changes.
deb:
	packaging/build-deb dist

# Extract the software bill of materials (CycloneDX) from the package.
sbom: deb
	dpkg-deb --fsys-tarfile "$$(ls -t dist/anycast-routed_*.deb | head -n 1)" | \
		tar --extract --to-stdout ./usr/share/doc/anycast-routed/sbom.cdx.json >dist/sbom.cdx.json

# Needs PyPI, which has the advisories. --strict fails for a library without an answer from PyPI.
audit: $(VENV)/ready
	$(BIN)/bandit --quiet --recursive anycast_routed packaging
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement packaging/requirements.lock
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement packaging/build.lock

# Lock the newest versions, with hashes, of the bundled libraries and of the tool that builds the
# wheel. The package is for Python 3.11, the version of Debian 12.
LOCK := uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --only-binary :all: \
	--python-version 3.11 --python-platform linux --custom-compile-command "make lock"
lock: $(VENV)/ready
	$(BIN)/$(LOCK) --output-file packaging/requirements.lock pyproject.toml
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | \
		$(BIN)/$(LOCK) --output-file packaging/build.lock -

$(VENV)/ready: pyproject.toml
	.ci/venv $(PYTHON) $(VENV)
	touch $@

clean:
	rm -rf $(VENV) dist build
