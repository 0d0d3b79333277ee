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
refused=0

case $(systemctl show --property ActiveState --value anycast-routed.service 2>/dev/null) in
active | activating | reloading) exit 75 ;;
esac

# The alphabets of the config: a path, the mark of an owner, the name of a program.
path='/[A-Za-z0-9._@+=:,~/ -]*'
mark='/[A-Za-z0-9._@+=:,~%/-]*'
program='[A-Za-z0-9_+][A-Za-z0-9._+-]*'
protocol='anycast_[a-z0-9_]+_v[46]'

# Print each value of a key that matches the pattern.
given() {
    sed -n -E "s#^$1 ($2)\$#\1#p" "$run/guard" 2>/dev/null
}

# Print the only value of a key, or else the default.
setting() {
    value=$(given "$1" "$2" | head -n 1)
    printf '%s\n' "${value:-$3}"
}

# What is not understood may name another router than the default.
if [ -f "$run/guard" ] && grep -E -v -q -e "^owner $mark\$" \
    -e "^(include-file|control-socket|vty-dir) $path\$" -e "^vtysh ($path|$program)\$" \
    -e '^router (bird|frr)$' -e "^protocol $protocol\$" "$run/guard"; then
    echo "a line of $run/guard is not understood" >&2
    left=1
fi
owner=$(setting owner "$mark" "$(printf '%s\n' "$run" | sed 's/ /%20/g')")
router=$(setting router '[a-z]+' any)
include=$(setting include-file "$path" "$run/bird.conf")
socket=$(setting control-socket "$path" /run/bird/bird.ctl)
vty_dir=$(setting vty-dir "$path" /run/frr)
vtysh=$(setting vtysh "$path|$program" vtysh)

# Tell whether the mark in a router is that of another instance.
is_others() {
    [ -n "$1" ] && [ "$1" != "$owner" ] || return 1
    echo "the instance with run directory $1 owns this router: nothing is withdrawn there" >&2
    refused=1
}

ask_bird() {
    timeout 10 birdc -s "$socket" "$@" 2>&1
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

# Disable each static protocol in a text; fail if another route is left in it.
disabled() {
    awk -v pattern="^protocol static $protocol [{]\$" '
        ours && $0 == "  disabled;" { next }
        { print }
        $0 ~ pattern { ours = 1; print "  disabled;" }
        /^}/ { ours = 0 }
        !ours && /(^|[^a-z_.])route[ \t]+[0-9a-fA-F.:]+\// { other = 1 }
        END { exit other }
    '
}

# In the file too: a reload of BIRD must not bring them back. The file may have passwords, so its copy
# keeps its mode. Without the file, BIRD has nothing of ours.
disable_in_file() {
    [ -f "$include" ] || return 0
    if ! cp -p "$include" "$include.guard" || ! disabled <"$include" >"$include.guard" ||
        ! mv -f "$include.guard" "$include"; then
        rm -f "$include" "$include.guard"
    fi
}

withdraw_from_bird() {
    case $(ask_bird show status) in
    *'onnection refused'*) disable_in_file && return ;; # a dead BIRD has left its socket
    esac
    ! is_others "$(ask_bird eval anycast_routed_owner | sed -n -E 's#^"?(/[^"]*)"?$#\1#p')" || return
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
        /^[^ ]/ { instance = /^router bgp / && !/ (vrf|view) / ? $0 : "" }
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
    ! is_others "$(printf '%s\n' "$running" |
        sed -n -E '/^route-map ANYCAST-ROUTED-OWNER deny 10/,/^exit/s#^ description (/.*)$#\1#p')" ||
        return
    printf '%s\n' "$running" | frr_networks | ask_frr bgpd -f /dev/stdin
    # Whatever stands around it, a line with our route-map is ours.
    ! ask_frr bgpd -c 'show running-config' | grep -q '^  network .* route-map ANYCAST-ROUTED-' ||
        left=1
    for daemon in staticd mgmtd; do
        [ -S "$vty_dir/$daemon.vty" ] || continue
        ask_frr "$daemon" -c 'show running-config' | frr_statics | ask_frr "$daemon" -f /dev/stdin
    done
}

if [ "$router" != frr ] && [ -S "$socket" ]; then
    withdraw_from_bird
else
    disable_in_file
fi
if [ "$router" != bird ] && [ -S "$vty_dir/bgpd.vty" ]; then
    withdraw_from_frr
fi
if [ "$left" -ne 0 ]; then
    echo 'a prefix may still be announced: look at the router' >&2
    exit 1
fi
[ "$refused" -eq 0 ] || exit 75
echo 'everything is withdrawn, as far as a router runs'
