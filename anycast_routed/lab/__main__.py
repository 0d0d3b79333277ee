"""`python -m anycast_routed.lab COMMAND...`: run a command where a lab can be made.

As root it just becomes the command. As an ordinary user it becomes the command in namespaces of
its own, where the user is root. The exit code is the command's; 64 without one, 69 when the machine
does not let users have namespaces.
"""

import sys

from anycast_routed.errors import AnycastRoutedError, UsageError
from anycast_routed.lab.rootless import enter

try:
    if not sys.argv[1:]:
        no_command = "no command is given"
        raise UsageError(no_command, hint="python -m anycast_routed.lab COMMAND...")
    enter(sys.argv[1:])
except AnycastRoutedError as error:
    sys.stderr.write(f"error: {error}\n")
    sys.exit(error.exit_code)
