"""`python -m anycast_routed` is `anycast-routed`."""

import sys

from anycast_routed.cli import run

sys.exit(run())
