#!/bin/sh
# dns1: unbound and BIRD. The config of anycast-routed is in TOML.
set -eu
# shellcheck source=vagrant/provision/common.sh
. /vagrant/provision/common.sh

packages bird2 unbound bind9-dnsutils
unbound_runs
runs bird

anycast_routed
put dns1/config.toml /etc/anycast-routed/config.toml
# It adds one line to bird.conf, once.
anycast-routed setup --write
birdc configure
runs anycast-routed
