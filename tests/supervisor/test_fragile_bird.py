"""A release of BIRD that `show route` can crash is asked less often."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab
from anycast_routed.lab.bird import CONTROL
from tests.support.waiting import eventually, never
from tests.support.watched_site import lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

SOCKET, ASKED = "/run/older.ctl", "/run/asked"
# BIRD itself, which names an older release; each connection adds an octet to a file.
OLDER = """
import asyncio, re, sys

async def pass_on(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()

async def serve(reader, writer):
    open(sys.argv[3], "ab").write(b".")
    of_bird, to_bird = await asyncio.open_unix_connection(sys.argv[2])
    greeting = await of_bird.readline()
    writer.write(re.sub(rb"BIRD [0-9.]+", b"BIRD 3.1.7", greeting))
    await asyncio.gather(pass_on(reader, to_bird), pass_on(of_bird, writer))

async def main():
    await (await asyncio.start_unix_server(serve, sys.argv[1])).serve_forever()

asyncio.run(main())
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Lay out an empty lab."""
    with Lab() as made:
        yield made


def test_a_fragile_bird_is_asked_less_often_and_still_withdraws_at_once(
    lab: Lab, announced: Held
) -> None:
    config = quick()
    config["router"] = {"daemon": "bird", "control-socket": SOCKET}
    watched = lay_out(lab, "bird", config)
    watched.dns1.start(sys.executable, "-c", OLDER, SOCKET, CONTROL, ASKED, name="older")
    eventually(watched.file(SOCKET).exists)
    watched.start_daemon()
    watched.holds(announced)
    assert "[AR046]" in watched.run("status").out

    asked = watched.file(ASKED)
    eventually(lambda: watched.status().router == "BIRD 3.1.7")
    sizes = [0]

    def is_quiet() -> bool:
        sizes.append(asked.stat().st_size)
        return sizes[-1] == sizes[-2]

    eventually(is_quiet, every=2, why="the first load is confirmed")
    before = sizes[-1]
    # One read-back; another release has two or three.
    never(lambda: asked.stat().st_size - before > 2, seconds=7, why="it is asked more often")
    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)
