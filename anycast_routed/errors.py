"""The error classes, each with a message, a hint for the operator, and an exit code.

The exit codes below 64 are our own (see docs/reference.md); those from 64 on are from sysexits(3).
"""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every verb."""

    OK = 0
    DOWN = 1
    CHANGE_PENDING = 2
    NOT_CONFIRMED = 4
    USAGE = 64
    UNAVAILABLE = 69
    BUG = 70
    CANNOT_WRITE = 73
    LOCKED = 75
    PERMISSION = 77
    CONFIG = 78


class AnycastRoutedError(Exception):
    """A failure: the message says what went wrong, the hint what to do next."""

    exit_code = Exit.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(AnycastRoutedError):
    """The command line has a wrong option, value, service or prefix."""

    exit_code = Exit.USAGE


class ConfigError(AnycastRoutedError):
    """The config file is invalid, or does not fit this host or its router."""

    exit_code = Exit.CONFIG


class RouterUnavailableError(AnycastRoutedError):
    """The router does not answer, or its program (`bird`, `vtysh`) cannot be run."""

    exit_code = Exit.UNAVAILABLE


class CommandError(AnycastRoutedError):
    """A program is not installed, did not start, did not end in time, or reported a failure."""

    exit_code = Exit.UNAVAILABLE


class HostError(AnycastRoutedError):
    """This host denies a resource for now: a thread, memory, a descriptor, a system call."""

    exit_code = Exit.UNAVAILABLE


class HostUnreadableError(HostError):
    """The kernel does not report the interfaces and addresses of this host."""


class AccessDeniedError(AnycastRoutedError):
    """The operating system or the router denies access."""

    exit_code = Exit.PERMISSION


class CannotWriteError(AnycastRoutedError):
    """A file that anycast-routed owns cannot be written."""

    exit_code = Exit.CANNOT_WRITE


class LockedError(AnycastRoutedError):
    """Another instance of anycast-routed holds the lock."""

    exit_code = Exit.LOCKED


class RejectedError(AnycastRoutedError):
    """The router rejected the rendered config and loaded no part of it.

    `text_at_fault` is False if the rendered text is correct and the operator's own part of the
    router config is broken.
    """

    exit_code = Exit.NOT_CONFIRMED

    def __init__(self, message: str, *, hint: str = "", text_at_fault: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.text_at_fault = text_at_fault


class NotConfirmedError(AnycastRoutedError):
    """The router accepted the change, but its read-back does not show the desired state."""

    exit_code = Exit.NOT_CONFIRMED
