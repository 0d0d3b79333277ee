"""A Health, Flaps or Drain is decoded from the JSON that `documents.plain` makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.model import Drain, Flaps, Health, Stage, Verdict
from anycast_routed.state import decode
from anycast_routed.state.documents import plain

if TYPE_CHECKING:
    from collections.abc import Callable

HEALTH = Health(Verdict.DOWN, fails=2, reason="SERVFAIL", unknown_since=1.5, ever_up=True)
OBJECTS: list[tuple[Callable[[object], object], object]] = [
    (decode.health, HEALTH),
    (decode.health, Health()),
    (decode.flaps, Flaps(1000.0, 1.5, 1)),
    (decode.drain, Drain(Stage.LOWERED, "drained: new kernel")),
]


@pytest.mark.parametrize(("decoder", "value"), OBJECTS)
def test_an_object_is_decoded_from_its_json(
    decoder: Callable[[object], object], value: object
) -> None:
    assert decoder(json.loads(json.dumps(plain(value)))) == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verdict", "maybe"),
        ("verdict", ["up"]),
        ("passes", -1),
        ("passes", 1.5),
        ("fails", 10**400),
        ("fails", None),
        ("unknown-since", float("nan")),
        ("unknown-since", 1.7e18),
        ("unknown-since", "yesterday"),
    ],
)
def test_a_damaged_health_raises_value_error_or_type_error(key: str, value: object) -> None:
    raw: Any = plain(HEALTH)
    damaged_objects: list[object] = [
        raw | {key: value},
        {name: one for name, one in raw.items() if name != key},
        [],
        "up",
        None,
    ]
    for damaged in damaged_objects:
        with pytest.raises((ValueError, TypeError)):
            decode.health(damaged)
