"""The base class of the sections: frozen models whose keys are their attributes with - for _."""

from pydantic import BaseModel, ConfigDict


def key(attribute: str) -> str:
    """Return the key of an attribute: `fast_interval` is `fast-interval`, `as_` is `as`."""
    return attribute.rstrip("_").replace("_", "-")


class Section(BaseModel):
    """One section of the config file. Code may also build one with the attributes' names.

    pydantic's validators are built at the first use, once for all sections, because every run
    from cron spends that time.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=key,
        validate_by_alias=True,
        validate_by_name=True,
        defer_build=True,
    )
