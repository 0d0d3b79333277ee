#!/bin/sh
# dns1: unbound and BIRD. The config file of anycast-routed is in TOML.
set -eu
# shellcheck source=vagrant/provision/functions.sh
. /vagrant/provision/functions.sh

install_packages bird2 unbound bind9-dnsutils
start_unbound
enable_and_start bird

install_anycast_routed
copy dns1/config.toml /etc/anycast-routed/config.toml
# Adds the include line to bird.conf if it is missing.
anycast-routed setup --write
birdc configure
enable_and_start anycast-routed
