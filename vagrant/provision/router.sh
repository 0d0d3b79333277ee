#!/bin/sh
# router: FRR, which learns the anycast address from both DNS servers and takes the best way.
set -eu
# shellcheck source=vagrant/provision/common.sh
. /vagrant/provision/common.sh

packages frr bind9-dnsutils
put router/frr.conf /etc/frr/frr.conf frr
frr_runs
