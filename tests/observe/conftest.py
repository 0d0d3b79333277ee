"""A host of the lab, and a check that is run inside its network namespace."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anycast_routed.config import Dns
from anycast_routed.lab import Host, Lab
from anycast_routed.model import CheckResult
from anycast_routed.observe.checks.dns import check
from tests.observe.checks.on_time import on_time


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("dns1")


@pytest.fixture
def ask(inside: Callable[[Host, Callable[[], Any]], Any]) -> Callable[..., CheckResult]:
    """Check a server from inside the host; a check that ran late is repeated."""

    def run(host: Host, **fields: object) -> CheckResult:
        question = Dns.model_validate(
            {"ip": "127.0.0.1", "query": "google.com.", "timeout": 1.0, **fields}
        )
        result = inside(host, lambda: asyncio.run(on_time(lambda: check(question))))
        assert isinstance(result, CheckResult)
        return result

    return run


@pytest.fixture
def bound() -> Iterator[Callable[[str, int], socket.socket]]:
    """Bind UDP sockets, and close them at the end of the test."""
    with contextlib.ExitStack() as stack:

        def bind(address: str, port: int = 0) -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            return made

        yield bind
