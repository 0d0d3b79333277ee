#!/bin/sh
# dns2: unbound and FRR. The config file of anycast-routed is an anycast-dns config in JSON.
set -eu
# shellcheck source=vagrant/provision/functions.sh
. /vagrant/provision/functions.sh

install_packages frr unbound bind9-dnsutils
start_unbound
start_frr

install_anycast_routed
copy dns2/config.json /etc/anycast-routed/config.json
enable_and_start anycast-routed
