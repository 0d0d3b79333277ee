"""`python -m anycast_routed.lab COMMAND...`: run a command that makes labs, as root or as a user.

As root the process becomes the command. As an ordinary user the process becomes the command inside
new namespaces, where the user is root. The exit code is that of the command; 64 if no command is
given, 69 if the machine does not allow user namespaces.
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
