"""The version of a router."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """The release of a router. What it does differently stands in the router's `releases`."""

    router: str
    """`BIRD` or `FRR`."""
    text: str
    """The release as the router writes it: `2.0.12`, `8.4.4`; empty if it does not say."""
    numbers: tuple[int, ...]
    """For comparisons: (2, 0, 12); empty if unknown."""
    silent_for: float
    """Seconds after a session comes up in which this release may export nothing."""
    fragile: bool = False
    """A question about routes can crash this release, so ask seldom."""

    def __str__(self) -> str:
        return f"{self.router} {self.text}".rstrip()


UNKNOWN_VERSION = Version("", "", (), 0.0)
