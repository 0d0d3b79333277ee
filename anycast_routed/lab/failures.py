"""What can go wrong in a lab."""

from anycast_routed.errors import AnycastRoutedError, Exit


class LabError(AnycastRoutedError):
    """A command in the lab failed, or the lab was asked for something that it does not have."""


class LateError(LabError, AssertionError):
    """What was waited for did not come true in time: to a test runner, a failed assertion."""


class LabUnavailableError(AnycastRoutedError):
    """The machine cannot hold a lab: a program is not installed, or namespaces are forbidden."""

    exit_code = Exit.UNAVAILABLE
