"""Run the walk-through of vagrant/README.md in machines made by the scripts of vagrant/.

The test runs each command of the README in order and compares its output with the README. In place
of Vagrant the test itself reads the Vagrantfile, copies the directories and runs the scripts as
root. `vagrant ssh` is a shell in the machine, as an ordinary user.
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

pytestmark = [pytest.mark.integration, pytest.mark.booted]

VAGRANT = ROOT / "vagrant"
CONSOLES = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Commands that change nothing. The test repeats them until the output is right: BGP takes time.
READ_ONLY = ("dig ", "sudo vtysh ", "sudo anycast-routed status", "sudo anycast-routed history")
PREFIX = "10.10.10.10/32"
WITHIN = 60  # seconds
# A second provisioning may restart the daemon, for a newer package, but none of these units.
NEVER_RESTARTED = ("bird", "frr", "unbound")

UPLOADED = "/tmp/vagrant-shell"  # noqa: S108 - Vagrant copies a script to this path in the machine

# Runs the Vagrantfile in place of Vagrant, and prints its directories and machines as JSON.
READ_VAGRANTFILE = """
require "json"
class Recorder
  attr_reader :notes
  def initialize
    @notes = {"directories" => {}, "machines" => {}}
  end
  def vm = self
  def box=(_); end
  def provider(_); end
  def synced_folder(here, there, disabled: false, **)
    @notes["directories"][there] = here unless disabled
  end
  def define(name)
    yield machine = Recorder.new
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
    yield top = Recorder.new
    puts JSON.dump(top.notes)
  end
end
load ARGV[0]
"""


@dataclass
class Site:
    """The machines of the Vagrantfile, and the commands of the README.

    `notes` are the settings in the Vagrantfile. `built` gives the package of each `make deb`.
    """

    lab: Lab
    dist: Path
    notes: dict[str, Any]
    built: Iterator[Path]
    machines: dict[str, Machine] = field(default_factory=dict)

    def follow(self, command: str, shown: str) -> None:
        """Run a command of the README, and assert that its output is that in the README."""
        argv = shlex.split(command)
        if not argv[-1].startswith(READ_ONLY):
            assert_shows(self.run(argv), shown, command)
            return
        wanted = in_order(shown)
        with contextlib.suppress(LateError):  # the assertion below has a better message
            eventually(lambda: shows(in_order(self.run(argv)), wanted), within=WITHIN, every=0.2)
            return
        assert_shows(in_order(self.run(argv)), wanted, command)

    def run(self, argv: list[str]) -> str:
        """Run the equivalent of a command, and return its output if the README shows it."""
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
                pytest.fail(f"this test does not know the command: {shlex.join(argv)}")
        return ""

    def up(self) -> None:
        """Create the machines, on one LAN, each also with a NAT interface as in VirtualBox."""
        settings = self.notes["machines"]
        hosts = {name: self.lab.host(one["hostname"]) for name, one in settings.items()}
        self.lab.lan("lan", *hosts.values())
        for name, host in hosts.items():
            self.machines[name] = machine = Machine(host)
            # VirtualBox gives each machine this same NAT address.
            host.ip("link", "add", "nat", "type", "bridge")
            host.up("nat")
            nat = ("address add 10.0.2.15/24 dev nat", "route add default via 10.0.2.2 dev nat")
            machine.network(*nat, f"address add {settings[name]['address']}/24 dev eth0")
        self._each(self._create)

    def _create(self, name: str) -> None:
        self.machines[name].boot()
        self.rsync(name)
        self.provision(name)

    def rsync(self, name: str) -> None:
        """Copy the directories into a machine."""
        machine = self.machines[name]
        for there, here in self.notes["directories"].items():
            source = self.dist if there == "/vagrant/dist" else VAGRANT / here
            machine.run("rm", "-rf", there)
            for file in source.rglob("*"):
                if file.is_file():
                    directory = str(Path(there, file.relative_to(source).parent))
                    machine.run("mkdir", "-p", directory)
                    machine.copy(file, directory)

    def provision(self, name: str) -> None:
        """Run the script of a machine as Vagrant does."""
        machine = self.machines[name]
        script = VAGRANT / self.notes["machines"][name]["script"]
        machine.write(UPLOADED, script.read_text("utf-8"), mode=0o755)
        machine.run(UPLOADED, within=300)

    def provision_again(self) -> None:
        """Run all scripts again: they restart no unit and send the router no update."""
        updates, pids = self._last_updates(), self._pids()
        self._each(self.provision)
        assert self._pids() == pids
        # FRR computes the time from an age in whole seconds.
        assert self._last_updates() == pytest.approx(updates, abs=1)

    def _last_updates(self) -> list[int]:
        """Return the time of the last update that the router got from each of the two servers."""
        output = self.ssh("router", f"sudo vtysh -c 'show bgp ipv4 unicast {PREFIX} json'")
        updates = [path["lastUpdate"]["epoch"] for path in json.loads(output)["paths"]]
        assert len(updates) == 2
        return updates

    def _pids(self) -> list[str]:
        machines = self.machines.values()
        return [machine.show(unit, "MainPID") for machine in machines for unit in NEVER_RESTARTED]

    def ssh(self, name: str, line: str) -> str:
        """Run a command line in a machine, as an ordinary user, or as root with sudo."""
        user = "root" if line.startswith("sudo ") else "nobody"
        argv = ("/bin/sh", "-c", line.removeprefix("sudo "))
        done = self.machines[name].run(*argv, user=user, check=False)
        return f"{done.out}{done.err}"

    def destroy(self) -> None:
        """Switch all machines off and forget them."""
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
        """Call `work` with the name of each machine, for all machines at the same time."""
        names = self.machines
        with ThreadPoolExecutor() as pool:
            list(pool.map(work, names))


def in_order(text: str) -> str:
    """Move the paths of FRR's table to the end, sorted: FRR lists them in order of arrival.

    FRR 10 puts a space before the status of a path, and another one behind it.
    """
    lines = text.splitlines()
    paths = [line.strip().replace(PREFIX, " ") for line in lines if line.strip().startswith("*")]
    others = [line for line in lines if not line.strip().startswith("*")]
    return "".join(f"{line}\n" for line in [*others, *sorted(paths, key=str.split)])


def test_each_command_of_the_vagrant_readme_gives_the_output_shown_there(tmp_path: Path) -> None:
    read = ["env", "-C", str(VAGRANT), "ruby", "-e", READ_VAGRANTFILE, "Vagrantfile"]
    done = run(read, within=60)
    assert done.code == 0, done.err
    both = packages()
    built = iter((both.current, both.newer))
    with Lab() as lab, Site(lab, tmp_path, json.loads(done.out), built) as site:
        for block in CONSOLES.findall((VAGRANT / "README.md").read_text("utf-8")):
            for command, shown in steps(block):
                site.follow(command, shown)
        assert not site.machines, "the README ends with vagrant destroy"
