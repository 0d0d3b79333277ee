"""One root error: what went wrong, what to do next, and the exit code that says so.

The exit codes below 64 are our own (see the README), those from 64 on are sysexits(3).
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every verb."""

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
    """A failure with a message for people, a hint that says what to do next, and an exit code."""

    exit_code = Exit.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(AnycastRoutedError):
    """The command line asks for something that does not exist."""

    exit_code = Exit.USAGE


class ConfigError(AnycastRoutedError):
    """The config file, or what it asks of this host or router, cannot be right."""

    exit_code = Exit.CONFIG


class RouterUnavailableError(AnycastRoutedError):
    """The router does not answer, or its own program (`bird`, `vtysh`) cannot be run."""

    exit_code = Exit.UNAVAILABLE


class CommandError(AnycastRoutedError):
    """A program failed: it is not installed, did not start, did not end in time, or said so."""

    exit_code = Exit.UNAVAILABLE


class HostError(AnycastRoutedError):
    """This host denies a resource for now: a thread, memory, a descriptor, a system call."""

    exit_code = Exit.UNAVAILABLE


class HostUnreadableError(HostError):
    """The kernel does not report the interfaces and addresses of this host."""


class AccessDeniedError(AnycastRoutedError):
    """The operating system or the router denies us access."""

    exit_code = Exit.PERMISSION


class CannotWriteError(AnycastRoutedError):
    """A file of ours cannot be written."""

    exit_code = Exit.CANNOT_WRITE


class LockedError(AnycastRoutedError):
    """Another instance is at work."""

    exit_code = Exit.LOCKED


class RejectedError(AnycastRoutedError):
    """The router refused our text; nothing of it was loaded.

    `text_at_fault` is False where the text is right and the operator's own part is not.
    """

    exit_code = Exit.NOT_CONFIRMED

    def __init__(self, message: str, *, hint: str = "", text_at_fault: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.text_at_fault = text_at_fault


class NotConfirmedError(AnycastRoutedError):
    """The router took our text, but its read-back does not show what was planned."""

    exit_code = Exit.NOT_CONFIRMED
