"""A run of `apply` that holds the lock for as long as a test wants."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING

from tests.support.dns_site import CONFIG, RUN_DIR
from tests.support.paths import SHIPPED_TEMPLATES
from tests.support.router_faults import TEMPLATES
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Daemon
    from tests.support.dns_site import DnsHost


@contextlib.contextmanager
def apply_in_progress(host: DnsHost) -> Iterator[Daemon]:
    """Start `apply` with a template that is a FIFO, and let it go on when the context ends.

    The run holds the lock while it waits for the template. Something must be left to apply.
    """
    name = f"{host.router_name}.conf.j2"
    host.dns1.run("mkdir", "-p", TEMPLATES)
    template = host.file(f"{TEMPLATES}/{name}")
    os.mkfifo(template)
    config = json.loads(host.file(CONFIG).read_text())
    config["router"] = {**config.get("router", {}), "template-dir": TEMPLATES}
    before = host.file(CONFIG).read_text()
    host.configure(config)
    process = host.dns1.start(sys.executable, "-m", "anycast_routed", "apply", name="apply")

    def opened() -> int:
        # Until the run has opened the FIFO for reading, this raises an error (fifo(7)).
        assert process.check()
        return os.open(template, os.O_WRONLY | os.O_NONBLOCK)

    descriptor = eventually(opened, why="`apply` reads its template")
    assert " apply" in host.file(f"{RUN_DIR}/holder").read_text()
    host.dns1.write(CONFIG, before)
    with open(descriptor, "w") as stream:  # noqa: PTH123 - a descriptor has no path
        yield process
        template.unlink()
        stream.write((SHIPPED_TEMPLATES / name).read_text())
