"""What is drained stays drained until it is lifted or over, and damage is never "nothing"."""

from __future__ import annotations

import json
import os
import resource
from typing import TYPE_CHECKING

import pytest

from anycast_routed.errors import CannotWriteError, ConfigError
from anycast_routed.state import drain_orders
from anycast_routed.state.drain_orders import Ordered

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000.5
DNS = Ordered("dns", "new kernel", NOW)
PREFIX = Ordered("10.10.10.10/32", "", NOW, NOW + 60)


def test_orders_stand_until_they_are_lifted(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "lib"
    assert drain_orders.load(folder, NOW) == ()
    drain_orders.order(folder, DNS)
    drain_orders.order(folder, PREFIX)
    assert drain_orders.load(folder, NOW) == (PREFIX, DNS)
    assert drain_orders.lift(folder, "dns")
    assert drain_orders.load(folder, NOW) == (PREFIX,)
    assert not drain_orders.lift(folder, "dns")
    assert drain_orders.lift(folder, "10.10.10.10/32")
    assert drain_orders.load(folder, NOW) == ()
    assert not drain_orders.lift(tmp_path / "none", "dns")


def test_a_new_order_for_a_target_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    drain_orders.order(tmp_path, DNS)
    again = Ordered("dns", "disk\n\udcff", NOW + 1, NOW + 2)
    drain_orders.order(tmp_path, again)
    assert drain_orders.load(tmp_path, NOW + 1) == (again,)


def test_an_order_ends_at_its_time_and_is_forgotten(tmp_path: Path) -> None:
    drain_orders.order(tmp_path, PREFIX)
    assert drain_orders.load(tmp_path, NOW + 59.9) == (PREFIX,)
    assert drain_orders.load(tmp_path, NOW + 60) == ()
    drain_orders.order(tmp_path, Ordered("dns", "", NOW + 61))
    assert "10.10.10.10" not in (tmp_path / "drains.json").read_text()


def one(**changed: object) -> str:
    fact = {"target": "dns", "reason": "", "since": 1.0, "until": None} | changed
    return json.dumps({"schema": 1, "drained": [fact]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '{"schema": 2, "drained": []}',
        '{"schema": 1}',
        '{"schema": 1, "drained": 7}',
        '{"schema": 1, "drained": [7]}',
        '{"schema": 1, "drained": [{"target": "dns"}]}',
        one(target=7),
        one(target="\x1b[2J"),
        one(since="yesterday"),
        one(until=float("nan")),
        one(until="1"),
        one(until=1.7e18),
        one(until=253402300800),
        one(since=-1),
        one(until=float("inf")),
        one(since=10**400),
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_damaged_file_is_an_error_and_stays(tmp_path: Path, text: str) -> None:
    file = tmp_path / "drains.json"
    file.write_text(text, errors="surrogateescape")
    for attempt in (
        lambda: drain_orders.load(tmp_path, NOW),
        lambda: drain_orders.order(tmp_path, PREFIX),
        lambda: drain_orders.lift(tmp_path, "dns"),
    ):
        with pytest.raises(ConfigError, match="cannot tell what is drained") as caught:
            attempt()
        assert str(file) in caught.value.hint
    assert file.read_text(errors="surrogateescape") == text


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "fifo"])
def test_something_else_in_its_place_is_an_error(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "drains.json"
    match kind:
        case "folder":
            file.mkdir()
        case "link":
            file.symlink_to("/etc/hostname")
        case "dangling link":
            file.symlink_to("nowhere")
        case _:
            os.mkfifo(file)
    with pytest.raises(ConfigError, match="not a regular file"):
        drain_orders.load(tmp_path, NOW)


def test_on_a_full_disk_the_old_orders_stand(tmp_path: Path) -> None:
    drain_orders.order(tmp_path, DNS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(CannotWriteError):
            drain_orders.order(tmp_path, PREFIX)
        with pytest.raises(CannotWriteError):
            drain_orders.lift(tmp_path, "dns")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert drain_orders.load(tmp_path, NOW) == (DNS,)
    assert [file.name for file in tmp_path.iterdir()] == ["drains.json"]
