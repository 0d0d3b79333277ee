# shellcheck shell=sh
# What the machines have in common, for the script of each. All of it may run again at any time:
# what is as it should be is left alone, and nothing is restarted without a cause.

export DEBIAN_FRONTEND=noninteractive
changed=''

# packages NAME...: they are installed. Without one that is missing, this needs no network.
packages() {
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

# anycast_routed: the newest package that `make deb` has made is installed.
anycast_routed() {
    deb=$(find /vagrant/dist -name 'anycast-routed_*.deb' | sort -V | tail -n 1)
    if [ -z "$deb" ]; then
        echo 'there is no package in dist/; on your own machine: make deb, then vagrant rsync' >&2
        exit 1
    fi
    apt-get install -y -qq "$deb" >/dev/null
}

# put FILE PATH [UNIT]: this file of ours stands there. UNIT is one that does not see a change.
put() {
    said=$(install -C -D -v -m 644 "/vagrant/files/$1" "$2")
    [ -z "$said" ] || changed="$changed ${3-}"
}

# runs UNIT: it runs with the config of now, and will after each boot.
runs() {
    systemctl is-enabled --quiet "$1" || systemctl enable --quiet "$1"
    case "$changed " in
    *" $1 "*)
        # It may be a unit file that has changed.
        systemctl daemon-reload
        systemctl restart "$1"
        ;;
    *) systemctl start "$1" ;;
    esac
}

# frr_runs: FRR runs, with BGP, which Debian leaves off.
frr_runs() {
    if ! grep -q '^bgpd=yes' /etc/frr/daemons; then
        sed -i 's/^bgpd=.*/bgpd=yes/' /etc/frr/daemons
        changed="$changed frr"
    fi
    runs frr
}

# unbound_runs: unbound answers on the anycast address, which is on lo.
unbound_runs() {
    put anycast-address.service /etc/systemd/system/anycast-address.service anycast-address
    runs anycast-address
    put unbound.conf /etc/unbound/unbound.conf.d/anycast.conf unbound
    runs unbound
}
