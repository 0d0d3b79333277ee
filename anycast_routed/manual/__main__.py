"""`python3 -m anycast_routed.manual OUT_DIR`: write the man pages and completions."""

import sys
from pathlib import Path

from anycast_routed.manual import write

if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
    sys.exit("usage: python3 -m anycast_routed.manual OUT_DIR")
write(Path(sys.argv[1]))
