"""An operator's own template can lay out text, and do nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.bird import layout
from anycast_routed.announce.render import Renderer
from anycast_routed.config import load
from anycast_routed.decide.plan import plan
from anycast_routed.errors import ConfigError
from anycast_routed.model import Verdict
from tests.support.paths import ANYCAST_DNS_CONFIG
from tests.support.plans import observed

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "precious"  # noqa: S105 - a template must not read it


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ blocks.__class__ }}",
        "{{ blocks[0].routes[0].__init__.__globals__ }}",
        "{{ (blocks|map(attribute='__class__')|list)[0] }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ '{0.__class__}'.format('') }}",
        "{{ '%s'.__mod__(1) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__['os'] }}",
        "{{ range.__self__ }}",
        "{{ os.environ }}",
        "{{ open('/etc/hostname').read() }}",
        "{% for _ in range(10**9) %}{% endfor %}",
        "{{ blocks.append(1) }}",
        "{{ blocks[0].routes.append(1) }}",
        "{% set blocks[0].name = 'x' %}",
        "{% include '../secret' %}",
        "{% include 'below/../../secret' %}",
        "{% include '/etc/hostname' %}",
        "{% import '../secret' as secret %}",
        "{% extends '../secret' %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_reaches_nothing_but_the_plan(tmp_path: Path, template: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    directory = tmp_path / "templates"
    directory.mkdir()
    (directory / "bird.conf.j2").write_text(template)
    decision = plan(load(ANYCAST_DNS_CONFIG), observed(Verdict.UP))
    variables = layout.variables(decision, owner="/run/anycast-routed")
    try:
        text = Renderer("bird", directory).render(variables)
    except ConfigError:
        return
    assert SECRET not in text
    pytest.fail(text)
