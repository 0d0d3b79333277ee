#!/bin/sh
# dns2: unbound and FRR. The config of anycast-routed is in JSON, the form of anycast-dns.
set -eu
# shellcheck source=vagrant/provision/common.sh
. /vagrant/provision/common.sh

packages frr unbound bind9-dnsutils
unbound_runs
frr_runs

anycast_routed
put dns2/config.json /etc/anycast-routed/config.json
runs anycast-routed
