"""`python -m anycast_routed` is `anycast-routed`."""

import sys

from anycast_routed.cli import main

sys.exit(main())
