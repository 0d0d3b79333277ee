"""The checks in the health record: what each recorded verdict is about.

Each check is kept as its section of the config file, so that the next process can still ask it.
So are the changed checks that are on trial beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from anycast_routed.config import Dns
from anycast_routed.decide.health import uncounted
from anycast_routed.decide.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.model import CheckKey
    from anycast_routed.state.record import Record

Section = dict[str, object]
"""The keys of a check that differ from their defaults, with values of JSON."""


def written(checks: Mapping[CheckKey, Dns]) -> dict[CheckKey, Section]:
    """Return each check as the record holds it."""
    return {
        key: check.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for key, check in checks.items()
    }


def read(sections: Mapping[CheckKey, Section]) -> dict[CheckKey, Dns]:
    """Return the checks of a record, without those that another version wrote with other keys."""
    checks = {}
    for key, section in sections.items():
        try:
            checks[key] = Dns.model_validate(section)
        except ValidationError:
            continue
    return checks


def trials(record: Record) -> dict[CheckKey, Trial]:
    """Return the trials of a record; a new row of results has to begin."""
    checks = read(record.tried)
    return {
        key: Trial(checks[key], uncounted(health))
        for key, health in record.trials.items()
        if key in checks
    }
