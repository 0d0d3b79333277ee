#!/bin/sh
# router: FRR, which learns the anycast address from both DNS servers and uses the best path.
set -eu
# shellcheck source=vagrant/provision/functions.sh
. /vagrant/provision/functions.sh

install_packages frr bind9-dnsutils
copy router/frr.conf /etc/frr/frr.conf frr
start_frr
