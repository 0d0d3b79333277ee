# shellcheck shell=sh
# Withdraw everything that anycast-routed announces, without anycast-routed: its daemon hangs or does
# not start, and this must not fail for the same reason. So it needs no Python, no config file and no
# free disk: only a shell, sed, awk, and the router's own birdc or vtysh.
#
# The argument is the run directory. Its file `guard`, which the daemon writes, has one value a line;
# what does not match its pattern is ignored, and without the file the defaults of the config hold.
# The exit code is 0 if the router shows that everything is withdrawn, 75 if a daemon runs again or
# another instance owns the router, and otherwise 1: try again.
set -u
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent
run=$1
left=0

case $(systemctl show --property ActiveState --value anycast-routed.service 2>/dev/null) in
active | activating | reloading) exit 75 ;;
esac

path='/[A-Za-z0-9._/+@:=-]*'
protocol='anycast_[a-z0-9_]+_v[46]'

# Print each value of a key that matches the pattern.
given() {
    sed -n -E "s~^$1 ($2)\$~\1~p" "$run/guard" 2>/dev/null
}

# Print the only value of a key, or else the default.
setting() {
    value=$(given "$1" "$path" | head -n 1)
    printf '%s\n' "${value:-$2}"
}

owner=$(setting owner "$run")
include=$(setting include-file "$run/bird.conf")
socket=$(setting control-socket /run/bird/bird.ctl)
vty_dir=$(setting vty-dir /run/frr)
vtysh=$(setting vtysh vtysh)

refuse_owner() {
    if [ -n "$1" ] && [ "$1" != "$owner" ]; then
        echo "the instance with run directory $1 owns the router: nothing is withdrawn" >&2
        exit 75
    fi
}

ask_bird() {
    timeout 10 birdc -s "$socket" "$@"
}

# Print our static protocols that BIRD has in this state: those with our description, and those that
# the daemon has named.
bird_protocols() {
    {
        given protocol "$protocol" | sed 's/^/named /'
        ask_bird 'show protocols all "anycast_*"'
    } | awk -v pattern="^$protocol\$" -v state="$1" '
        $1 == "named" { named[$2] = 1; next }
        /^[^ ]/ { name = ($1 ~ pattern && $2 == "Static" && $4 == state) ? $1 : "" }
        name != "" && (name in named || /^  Description: +anycast-routed$/) { print name; name = "" }
    '
}

# In the file too: a reload of BIRD must not bring them back. The file may have passwords, so its copy
# keeps its mode. Without the file, BIRD has nothing of ours.
disable_in_file() {
    [ -f "$include" ] || return 0
    if ! cp -p "$include" "$include.guard" || ! sed -E -e '/^  disabled;$/d' -e "/^protocol static $protocol \{\$/a\\
  disabled;" "$include" >"$include.guard" || ! mv -f "$include.guard" "$include"; then
        rm -f "$include" "$include.guard"
    fi
}

withdraw_from_bird() {
    refuse_owner "$(ask_bird eval anycast_routed_owner | sed -n -E "s~^\"?($path)\"?\$~\1~p")"
    disable_in_file
    bird_protocols up | sed 's/^/disable /' | ask_bird
    ask_bird show status | grep -q 'is up' && [ -z "$(bird_protocols up)" ] || left=1
}

ask_frr() {
    set -- "$vtysh" -d "$@"
    case $vty_dir in
    /run/frr | /var/run/frr) ;;
    *) set -- "$@" --vty_socket "$vty_dir" ;;
    esac
    timeout 30 "$@"
}

# Print the lines that remove our networks from the running config in the standard input.
frr_networks() {
    awk '
        /^[^ ]/ { instance = /^router bgp [0-9.]+ *$/ ? $0 : "" }
        /^ address-family/ { family = /^ address-family ipv[46] unicast *$/ ? $0 : "" }
        instance != "" && family != "" &&
        /^  network [0-9a-f.:]+\/[0-9]+ route-map ANYCAST-ROUTED-[!-~]+ *$/ {
            print instance; print family; sub(/^ */, "no "); print; print "exit"; print "exit"
        }
    '
}

frr_statics() {
    sed -n -E 's/^(ip(v6)? route [0-9a-f.:]+\/[0-9]+ blackhole tag 53180 250) *$/no \1/p'
}

withdraw_from_frr() {
    running=$(ask_frr bgpd -c 'show running-config') || left=1
    refuse_owner "$(printf '%s\n' "$running" | sed -n -E "/^route-map ANYCAST-ROUTED-OWNER deny 10/,/^exit/s~^ description ($path)\$~\1~p")"
    printf '%s\n' "$running" | frr_networks | ask_frr bgpd -f /dev/stdin
    [ -z "$(ask_frr bgpd -c 'show running-config' | frr_networks)" ] || left=1
    for daemon in staticd mgmtd; do
        [ -S "$vty_dir/$daemon.vty" ] || continue
        ask_frr "$daemon" -c 'show running-config' | frr_statics | ask_frr "$daemon" -f /dev/stdin
    done
}

if [ -S "$socket" ]; then
    withdraw_from_bird
else
    disable_in_file
fi
if [ -S "$vty_dir/bgpd.vty" ]; then
    withdraw_from_frr
fi
if [ "$left" -eq 0 ]; then
    echo 'everything is withdrawn, as far as a router runs'
else
    echo 'a prefix may still be announced: look at the router' >&2
fi
exit "$left"
