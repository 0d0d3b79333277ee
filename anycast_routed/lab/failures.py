"""The errors of the lab."""

from anycast_routed.errors import AnycastRoutedError, Exit


class LabError(AnycastRoutedError):
    """A command in the lab failed, or a call asked for something that the lab does not have."""


class LateError(LabError, AssertionError):
    """A condition did not become true in time. pytest shows this error as a failed assertion."""


class LabUnavailableError(AnycastRoutedError):
    """The machine cannot run a lab: a program is missing, or namespaces are not allowed."""

    exit_code = Exit.UNAVAILABLE
