"""Fuzz the readers of config files, DNS replies and router answers with atheris (libFuzzer).

python -m bench.fuzz [--seconds 60] [--corpus DIRECTORY] [config reply bird frr]

Each reader is fuzzed for `--seconds` in its own process. The inputs come from the start inputs
below and from the corpus, to which libFuzzer adds each input that reached new code. libFuzzer's
last lines have the number of inputs and the coverage. After a crash, the name of the input's file
is printed and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

from anycast_routed.system import commands
from tests.support.paths import ANYCAST_DNS_CONFIG

_LONGEST = 4096
_WORDS = (
    *("show", "ipv4Unicast", "ipv6Unicast", "peers", "state", "Established", "routes", "valid"),
    *("advertisedRoutes", "nexthops", "locPrf", "bgpNeighborAddr", "router bgp 64512", "network"),
    *("route-map ANYCAST-ROUTED-OUT out", "neighbor ", " address-family ipv4 unicast", "0001 "),
    *("BGP.local_pref: ", "BGP.next_hop: ", "Neighbor address:", "BGP state:", "1007-", "0000 "),
    *("services", "dns", "anycast", "routes", "label", "bgp", "peers", "description", "router"),
    *("query", "rrtype", "timeout", "nexthop-interface", "next-hop-ipv4", "on-fail", "daemon"),
)
_BIRD = """\
0001 BIRD 2.0.12 ready.
2002-Name       Proto      Table      State  Since         Info
1002-anycast_dns_v4 Static     master4    up     04:00:00.000
1006-  Channel ipv4
1002-peer       BGP        ---        up     04:00:00.000  Established
1006-  BGP state:          Established
     Neighbor address: 172.17.2.253
     Neighbor AS:      64512
0000\x20
1007-Table master4:
 10.10.10.10/32       blackhole [anycast_dns_v4 04:00:00.000] * (200)
1008-\tType: static univ
1012-\tBGP.next_hop: 172.17.2.1
 \tBGP.local_pref: 200
0000\x20
"""
_FRR = """\
frr version 8.4.4
router bgp 64512
 neighbor 172.17.2.253 remote-as 64512
 !
 address-family ipv4 unicast
  network 10.10.10.10/32 route-map ANYCAST-ROUTED-200
  neighbor 172.17.2.253 activate
  neighbor 172.17.2.253 route-map ANYCAST-ROUTED-OUT out
 exit-address-family
exit
end
{"ipv4Unicast": {"peers": {"172.17.2.253": {"remoteAs": 64512, "state": "Established"}}}}
\0\
{"routes": {"10.10.10.10/32": [{"valid": true, "locPrf": 200, "nexthops": [{"ip": "172.17.2.1"}]}]}}
{}
{"advertisedRoutes": {"10.10.10.10/32": {"locPrf": 200, "nextHop": "172.17.2.1"}}}
"""


def start_inputs(surface: str) -> list[bytes]:
    """Return almost valid inputs to start from."""
    config = json.loads(ANYCAST_DNS_CONFIG.read_text())
    toml = '[dns]\nip = "127.0.0.1"\nquery = "a.b"\n[anycast]\n[[anycast.routes]]\nlabel = "x"\n'
    answer = b"\x12\x34\x81\x80\0\1\0\1\0\0\0\1\6google\3com\0\0\6\0\1"
    soa = b"\xc0\x0c\0\6\0\1\0\0\0\x3c\0\x16\0\0" + b"\0\0\0\1" * 5
    ede = b"\0\0\x29\4\xd0\0\0\0\0\0\6\0\x0f\0\2\0\x16"
    match surface:
        case "config":
            return [b"0" + json.dumps(config).encode(), b"1" + toml.encode(), b"0{", b"1\n"]
        case "reply":
            return [b"\0" + answer + soa + ede, b"\xff" + answer + soa + ede, b"\0" + answer]
        case "bird":
            return [_BIRD.encode()]
        case _:
            return [_FRR.encode()]


def fuzz(surface: str, corpus: Path, seconds: int) -> None:
    """Run libFuzzer in this process; libFuzzer ends the process."""
    atheris = importlib.import_module("atheris")  # from the dependency group `fuzz`
    with atheris.instrument_imports(include=["anycast_routed", "dns"]):
        surfaces = importlib.import_module("tests.support.fuzz_surfaces")
    words = corpus.with_name(f"{surface}.words")
    words.write_text("".join(f"{json.dumps(word)}\n" for word in _WORDS))
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        f"-dict={words}",
        f"-artifact_prefix={corpus.parent}/{surface}-",
        "-timeout=5",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        "-verbosity=1",
    )
    atheris.Setup([sys.argv[0], *options, str(corpus)], surfaces.SURFACES[surface])
    atheris.Fuzz()


def run(surface: str, directory: Path, seconds: int) -> bool:
    """Fuzz one reader in its own process; return whether libFuzzer found no fault."""
    corpus = directory / surface
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(start_inputs(surface)):
        (corpus / f"start-{number}").write_bytes(content)
    begun = time.monotonic()
    argv = [sys.executable, "-m", "bench.fuzz", "--in-here", surface, "--seconds", str(seconds)]
    ended = commands.run([*argv, "--corpus", str(directory)], within=seconds + 120)
    lines = ended.err.splitlines()
    covered = [line for line in lines if " cov: " in line][-1:]
    tried = [line for line in lines if line.startswith("stat::number_of_executed_units")]
    passed = ended.code == 0
    print(f"{surface}: {'no fault' if passed else 'FAULT'}, {time.monotonic() - begun:.0f} s")
    print(
        "\n".join(f"  {line}" for line in (covered + tried if passed else lines[-40:])), flush=True
    )
    return passed


def main() -> int:
    """Fuzz the readers that the command line names; return the exit code."""
    names = ("config", "reply", "bird", "frr")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("surfaces", nargs="*", metavar="SURFACE", help=", ".join(names))
    parser.add_argument("--seconds", type=int, default=60, help="seconds for each")
    parser.add_argument("--corpus", type=Path, help="directory to keep; temporary by default")
    parser.add_argument("--in-here", choices=names, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.in_here:
        fuzz(given.in_here, given.corpus / given.in_here, given.seconds)
    with tempfile.TemporaryDirectory() as temporary:
        directory = given.corpus or Path(temporary)
        passed = [run(one, directory, given.seconds) for one in given.surfaces or names]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
