"""The walk-through of vagrant/README.md, in machines that the scripts of vagrant/ have made.

Each command of its transcripts is run, in its order, and shows what stands there. What Vagrant does
with the Vagrantfile (copy folders, run scripts as root) is done here, from the same Vagrantfile;
`vagrant ssh` is a shell in the machine, as an ordinary user.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Lab, LateError, eventually
from anycast_routed.system.commands import run
from tests.support.machines.machine import Machine
from tests.support.machines.package import packages
from tests.support.paths import ROOT
from tests.support.transcripts import assert_shows, shows, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

pytestmark = pytest.mark.integration

VAGRANT = ROOT / "vagrant"
CONSOLES = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# These change nothing, so they are repeated until they show what they should: BGP takes its time.
LOOKS = ("dig ", "sudo vtysh ", "sudo anycast-routed status", "sudo anycast-routed history")
PREFIX = "10.10.10.10/32"
WITHIN = 20  # seconds, on a busy machine
# What may come and go at a second provisioning is our own daemon, when its package is a newer one.
STEADY = ("bird", "frr", "unbound")

UPLOADED = "/tmp/vagrant-shell"  # noqa: S108 - where Vagrant puts a script, in the machine

# It stands in for Vagrant, and notes what the Vagrantfile says of folders and of each machine.
NOTING = """
require "json"
class Noted
  attr_reader :notes
  def initialize
    @notes = {"folders" => {}, "machines" => {}}
  end
  def vm = self
  def box=(_); end
  def provider(_); end
  def synced_folder(here, there, disabled: false, **)
    @notes["folders"][there] = here unless disabled
  end
  def define(name)
    yield machine = Noted.new
    @notes["machines"][name] = machine.notes
  end
  def hostname=(name)
    @notes["hostname"] = name
  end
  def network(_, ip:, **)
    @notes["address"] = ip
  end
  def provision(_, path:)
    @notes["script"] = path
  end
end
module Vagrant
  def self.configure(_)
    yield top = Noted.new
    puts JSON.dump(top.notes)
  end
end
load ARGV[0]
"""


@dataclass
class Site:
    """What the Vagrantfile makes, and what the README's commands do with it."""

    lab: Lab
    dist: Path
    notes: dict[str, Any]
    built: Iterator[Path]
    machines: dict[str, Machine] = field(default_factory=dict)

    def follow(self, command: str, shown: str) -> None:
        """Run a command of the README, and have it show what stands there."""
        argv = shlex.split(command)
        if not argv[-1].startswith(LOOKS):
            assert_shows(self.run(argv), shown, command)
            return
        wanted = in_order(shown)
        with contextlib.suppress(LateError):  # the assertion below says more
            eventually(lambda: shows(in_order(self.run(argv)), wanted), within=WITHIN, every=0.2)
            return
        assert_shows(in_order(self.run(argv)), wanted, command)

    def run(self, argv: list[str]) -> str:
        """Do what this command does, and return what it says, if that is of interest."""
        match argv:
            case ["make", "deb"] | ["../packaging/build-deb", *_]:
                shutil.copy(next(self.built), self.dist)
            case ["cd", _]:
                pass
            case ["vagrant", "up"]:
                self.up()
            case ["vagrant", "up", name]:
                self.machines[name].boot()
            case ["vagrant", "halt", name]:
                self.machines[name].poweroff()
            case ["vagrant", "rsync", name]:
                self.rsync(name)
            case ["vagrant", "provision"]:
                self.provision_again()
            case ["vagrant", "ssh", name, "-c", line]:
                return self.ssh(name, line)
            case ["vagrant", "destroy", "-f"]:
                self.destroy()
            case _:
                pytest.fail(f"nobody knows here what this does: {shlex.join(argv)}")
        return ""

    def up(self) -> None:
        """Make the machines: all on one LAN, and each on another one that leads outside."""
        told = self.notes["machines"]
        hosts = {name: self.lab.host(one["hostname"]) for name, one in told.items()}
        self.lab.lan("lan", *hosts.values())
        for name, host in hosts.items():
            self.machines[name] = machine = Machine(host)
            # As VirtualBox has it: this address is the same on each machine.
            host.ip("link", "add", "nat", "type", "bridge")
            host.up("nat")
            outside = ("address add 10.0.2.15/24 dev nat", "route add default via 10.0.2.2 dev nat")
            machine.network(*outside, f"address add {told[name]['address']}/24 dev eth0")
        self._each(self._make)

    def _make(self, name: str) -> None:
        self.machines[name].boot()
        self.rsync(name)
        self.provision(name)

    def rsync(self, name: str) -> None:
        """Copy the folders into a machine."""
        machine = self.machines[name]
        for there, here in self.notes["folders"].items():
            source = self.dist if there == "/vagrant/dist" else VAGRANT / here
            machine.run("rm", "-rf", there)
            for file in source.rglob("*"):
                if file.is_file():
                    folder = str(Path(there, file.relative_to(source).parent))
                    machine.run("mkdir", "-p", folder)
                    machine.copy(file, folder)

    def provision(self, name: str) -> None:
        """Run the machine's script as Vagrant does."""
        machine = self.machines[name]
        script = VAGRANT / self.notes["machines"][name]["script"]
        machine.write(UPLOADED, script.read_text("utf-8"), mode=0o755)
        machine.run(UPLOADED, within=120)

    def provision_again(self) -> None:
        """Run all scripts again: the router hears nothing of it."""
        heard, pids = self._heard(), self._pids()
        self._each(self.provision)
        assert self._pids() == pids
        # FRR tells by the clock what it knows in whole seconds of another one.
        assert self._heard() == pytest.approx(heard, abs=1)

    def _heard(self) -> list[int]:
        """Return when the router was last told of the prefix, by each of the two."""
        said = self.ssh("router", f"sudo vtysh -c 'show bgp ipv4 unicast {PREFIX} json'")
        heard = [path["lastUpdate"]["epoch"] for path in json.loads(said)["paths"]]
        assert len(heard) == 2
        return heard

    def _pids(self) -> list[str]:
        return [one.show(unit, "MainPID") for one in self.machines.values() for unit in STEADY]

    def ssh(self, name: str, line: str) -> str:
        """Run a line in a machine, as an ordinary user or with sudo as root."""
        user = "root" if line.startswith("sudo ") else "nobody"
        argv = ("/bin/sh", "-c", line.removeprefix("sudo "))
        done = self.machines[name].run(*argv, user=user, check=False)
        return f"{done.out}{done.err}"

    def destroy(self) -> None:
        """Switch all machines off, for good."""
        self._each(lambda name: self.machines[name].__exit__())
        self.machines.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            for machine in self.machines.values():
                error.add_note(machine.report())
        self.destroy()

    def _each(self, work: Callable[[str], object]) -> None:
        """Do it in all machines at the same time."""
        names = self.machines
        with ThreadPoolExecutor() as pool:
            list(pool.map(work, names))


def in_order(text: str) -> str:
    """Put the ways of FRR's table to the end, in a fixed order; it has them as they came in."""
    lines = text.splitlines()
    ways = [line.replace(PREFIX, " ") for line in lines if line.startswith("*")]
    others = [line for line in lines if not line.startswith("*")]
    return "".join(f"{line}\n" for line in [*others, *sorted(ways, key=str.split)])


def test_the_walk_through_happens(tmp_path: Path) -> None:
    done = run(["env", "-C", str(VAGRANT), "ruby", "-e", NOTING, "Vagrantfile"], within=10)
    assert done.code == 0, done.err
    made = packages()
    built = iter((made.current, made.newer))
    with Lab() as lab, Site(lab, tmp_path, json.loads(done.out), built) as site:
        for block in CONSOLES.findall((VAGRANT / "README.md").read_text("utf-8")):
            for command, shown in steps(block):
                site.follow(command, shown)
        assert not site.machines, "it ends with vagrant destroy"
