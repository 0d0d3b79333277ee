# shellcheck shell=sh
# Functions for the provisioning script of each machine. They can run again at any time: they change
# only what differs, and restart a unit only if one of its files changed.

export DEBIAN_FRONTEND=noninteractive
changed=''

# install_packages NAME...: install the missing packages. Needs no network if none is missing.
install_packages() {
    missing=''
    for package in "$@"; do
        status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    apt-get install -y -qq $missing >/dev/null
}

# install_anycast_routed: install the newest package in dist/ that is for this release of Debian.
install_anycast_routed() {
    # shellcheck source=/dev/null # it is on each Debian
    release=$(. /etc/os-release && echo "$VERSION_ID")
    deb=$(find /vagrant/dist -name "anycast-routed_*+deb${release}_*.deb" | sort -V | tail -n 1)
    if [ -z "$deb" ]; then
        echo "no package for Debian $release in dist/; build it on Debian $release: make deb" >&2
        echo 'then, on your own machine: vagrant rsync' >&2
        exit 1
    fi
    apt-get install -y -qq "$deb" >/dev/null
}

# copy FILE PATH [UNIT]: copy a file of vagrant/files; if it changed, enable_and_start restarts UNIT.
copy() {
    copied=$(install -C -D -v -m 644 "/vagrant/files/$1" "$2")
    [ -z "$copied" ] || changed="$changed ${3-}"
}

# enable_and_start UNIT: start the unit, or restart it if one of its files changed.
enable_and_start() {
    systemctl is-enabled --quiet "$1" || systemctl enable --quiet "$1"
    case "$changed " in
    *" $1 "*)
        # The changed file may be a unit file.
        systemctl daemon-reload
        systemctl restart "$1"
        ;;
    *) systemctl start "$1" ;;
    esac
}

# start_frr: start FRR with bgpd, which Debian disables.
start_frr() {
    if ! grep -q '^bgpd=yes' /etc/frr/daemons; then
        sed -i 's/^bgpd=.*/bgpd=yes/' /etc/frr/daemons
        changed="$changed frr"
    fi
    enable_and_start frr
}

# start_unbound: add the anycast address to lo, and start unbound on it.
start_unbound() {
    copy anycast-address.service /etc/systemd/system/anycast-address.service anycast-address
    enable_and_start anycast-address
    copy unbound.conf /etc/unbound/unbound.conf.d/anycast.conf unbound
    enable_and_start unbound
}
