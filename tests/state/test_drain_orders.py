"""Drain orders stay in force until lifted or expired; a damaged file is an error."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from anycast_routed.errors import CannotWriteError, ConfigError
from anycast_routed.state import drain_orders
from anycast_routed.state.drain_orders import Ordered
from tests.support.full_disk import files_of_at_most

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000.5
DNS = Ordered("dns", "new kernel", NOW)
PREFIX = Ordered("10.10.10.10/32", "", NOW, NOW + 60)


def test_orders_are_in_force_until_they_are_lifted(tmp_path: Path) -> None:
    directory = tmp_path / "var" / "lib"
    assert drain_orders.load(directory, NOW) == ()
    drain_orders.order(directory, DNS)
    drain_orders.order(directory, PREFIX)
    assert drain_orders.load(directory, NOW) == (PREFIX, DNS)
    assert drain_orders.lift(directory, "dns")
    assert drain_orders.load(directory, NOW) == (PREFIX,)
    assert not drain_orders.lift(directory, "dns")
    assert drain_orders.lift(directory, "10.10.10.10/32")
    assert drain_orders.load(directory, NOW) == ()
    assert not drain_orders.lift(tmp_path / "none", "dns")


def test_a_new_order_for_a_target_replaces_the_old_one(tmp_path: Path) -> None:
    drain_orders.order(tmp_path, DNS)
    again = Ordered("dns", "disk\n\udcff", NOW + 1, NOW + 2)
    drain_orders.order(tmp_path, again)
    assert drain_orders.load(tmp_path, NOW + 1) == (again,)


def test_an_expired_order_is_not_in_force_and_is_deleted(tmp_path: Path) -> None:
    drain_orders.order(tmp_path, PREFIX)
    assert drain_orders.load(tmp_path, NOW + 59.9) == (PREFIX,)
    assert drain_orders.load(tmp_path, NOW + 60) == ()
    drain_orders.order(tmp_path, Ordered("dns", "", NOW + 61))
    assert "10.10.10.10" not in (tmp_path / "drains.json").read_text()


def file_with(**changed: object) -> str:
    """Return the text of a file with one order, with these fields changed."""
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
        file_with(target=7),
        file_with(target="\x1b[2J"),
        file_with(since="yesterday"),
        file_with(until=float("nan")),
        file_with(until="1"),
        file_with(until=1.7e18),
        file_with(until=253402300800),
        file_with(since=-1),
        file_with(until=float("inf")),
        file_with(since=10**400),
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_damaged_file_of_orders_is_an_error_and_is_left_unchanged(
    tmp_path: Path, text: str
) -> None:
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


@pytest.mark.parametrize("kind", ["directory", "link", "dangling link", "fifo"])
def test_a_file_of_orders_that_is_not_a_regular_file_is_an_error(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "drains.json"
    match kind:
        case "directory":
            file.mkdir()
        case "link":
            file.symlink_to("/etc/hostname")
        case "dangling link":
            file.symlink_to("nowhere")
        case _:
            os.mkfifo(file)
    with pytest.raises(ConfigError, match="not a regular file"):
        drain_orders.load(tmp_path, NOW)


def test_on_a_full_disk_the_old_orders_stay_in_force(tmp_path: Path) -> None:
    drain_orders.order(tmp_path, DNS)
    with files_of_at_most(10):
        with pytest.raises(CannotWriteError):
            drain_orders.order(tmp_path, PREFIX)
        with pytest.raises(CannotWriteError):
            drain_orders.lift(tmp_path, "dns")
    assert drain_orders.load(tmp_path, NOW) == (DNS,)
    assert [file.name for file in tmp_path.iterdir()] == ["drains.json"]
