"""Sentences for `systemctl status`: what restricts each service or prefix now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.candidates import No
from anycast_routed.decide.service_state import drain_sentence, standing
from anycast_routed.model import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.config import Config
    from anycast_routed.model import Observed


def restrictions(config: Config, observed: Observed) -> Iterator[str]:
    """Yield a sentence for each check, wait or drain that restricts a service or a prefix."""
    for service in config.services:
        one = standing(service, observed)
        if one is not None:
            yield one.detail if isinstance(one, No) else one.note
    for target, drain in observed.drains.items():
        stage = "drained" if drain.stage is Stage.OUT else "draining"
        yield drain_sentence(f"{target} is {stage}", drain)
