"""The anycast-dns config, and the faults of a config that is given as a dictionary."""

from collections.abc import Callable

import pytest

from anycast_routed.config import InvalidConfigError
from tests.support import configs
from tests.support.configs import Raw, config_of


@pytest.fixture
def anycast_dns() -> Raw:
    """Return the anycast-dns config, for a test to change."""
    return configs.anycast_dns()


@pytest.fixture
def faults() -> Callable[[object], dict[str, str]]:
    """Return a function that gives the faults of a config by path, as `message; hint`."""

    def find(raw: object) -> dict[str, str]:
        try:
            config_of(raw)
        except InvalidConfigError as error:
            return {fault.path: f"{fault.message}; {fault.hint}" for fault in error.faults}
        return {}

    return find
