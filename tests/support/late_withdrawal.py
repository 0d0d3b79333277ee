"""Run anycast-routed with a fault: it withdraws nothing before it has read, rendered and loaded.

late_withdrawal.py VERB...
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from unittest import mock

from anycast_routed.cli import run
from anycast_routed.reconcile import withdraw_early

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.model import Prefix


def _later(speaker: Speaker, gone: frozenset[Prefix]) -> None:
    """Do nothing in place of the early withdrawal."""


if __name__ == "__main__":
    # A function with another name would leave no fault: then this raises.
    with mock.patch.object(withdraw_early, "withdraw", _later):
        sys.exit(run())
