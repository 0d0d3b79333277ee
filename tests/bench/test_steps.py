"""`bench.steps` times functions of the product by name; each name must exist."""

from __future__ import annotations

import pytest

from bench.steps import STEPS, Step, Timer, UnknownStepError, owners


@pytest.mark.parametrize("router", ["bird", "frr"])
def test_every_step_names_a_function_of_the_product(router: str) -> None:
    assert [step for step, _, _ in owners(router)] == list(STEPS)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("no_such_module", "load"),
        ("state.record", "no_such_function"),
        ("announce.{router}.speaker", "{Router}Speaker.no_such_method"),
        ("announce.{router}.speaker", "NoSuchClass.read"),
    ],
)
def test_a_step_without_its_function_is_an_error_that_names_the_step(
    module: str, function: str
) -> None:
    steps = (Step("read the record", module, function),)
    with pytest.raises(UnknownStepError, match="step 'read the record' needs"):
        list(owners("bird", steps))


def test_the_time_of_a_step_excludes_the_steps_inside_it() -> None:
    timer = Timer()
    inner = timer.timed("inner", lambda: sum(range(200_000)))
    timer.timed("outer", inner)()
    assert timer.seconds["outer"] < timer.seconds["inner"]
