"""The shell scripts that become the init process of a host."""

from __future__ import annotations

# The shell becomes init (PID 1) of the host's PID namespace: when it ends, the kernel kills every
# process of the host. The shell ends when its standard input is closed, and the kernel closes it
# also if the Python process is killed. A parent-death signal would not work: the kernel sends it
# when the thread ends that started the process.
#
# /etc is private, and its entries are links to those of the machine, which are read-only. The
# directories that the daemons of a lab write to are new and empty, whether or not the program is
# installed. Without -n the first mount would create the directory /run/mount on the machine.
_MACHINE_FILES = r"""
set -eu
name=$1
unset SCRIPT
read -r pid rest < /proc/self/stat   # /proc is still that of the parent, so this is the outer PID
mount -n -t tmpfs -o mode=755 lab /run
mkdir -p /run/.lab/etc /run/.lab/log /run/lock /run/bird /run/frr /run/nsd
mount -n --rbind /etc /run/.lab/etc
# The links in the private /etc lead here, so make it read-only. Root of a user namespace may not
# remount it, but cannot write there either: it owns none of the files.
mount -n -o remount,bind,ro /run/.lab/etc 2>/dev/null || :
# In a container, files such as /etc/hosts are mounts of their own.
while read -r _ _ _ _ point rest; do
  case $point in /run/.lab/etc/*) mount -n -o remount,bind,ro "$point" 2>/dev/null || : ;; esac
done < /proc/self/mountinfo
mount -n -t tmpfs -o mode=755 lab /etc
mount -n -t tmpfs -o mode=1777 lab /var/tmp
mkdir /etc/anycast-routed /etc/bird /etc/frr /etc/knot /etc/nsd /etc/unbound
set --
for entry in /run/.lab/etc/* /run/.lab/etc/.[!.]*; do
  if [ -L "$entry" ]; then
    cp -P -- "$entry" /etc/   # it can be relative
  elif [ -e "$entry" ] && ! [ -e "/etc/${entry##*/}" ]; then
    set -- "$@" "$entry"
  fi
done
ln -s -- "$@" /etc/
mount -n -t proc proc /proc
"""

# A release of Debian: the host gets an overlay in memory above the files of the release. It shares
# with the machine only /dev, /sys, /tmp and the given paths, each with its own path in the host:
# Python and this program, which an ordinary user must reach too.
_RELEASE_FILES = r"""
set -eu
name=$1
layers=$2
shift 2
unset SCRIPT
read -r pid rest < /proc/self/stat   # /proc is still that of the parent, so this is the outer PID
mount -n -t tmpfs -o mode=755 lab /run
mkdir -p /run/upper /run/work /run/root
mount -n -t overlay -o "lowerdir=$layers,upperdir=/run/upper,workdir=/run/work" overlay /run/root
cd /run/root
set -- /dev /dev /sys /sys /tmp /tmp "$@"
own=$(stat --format %d .)
while [ $# -gt 0 ]; do
  if [ -d "$1" ]; then mkdir -p ".$2"; else mkdir -p ".${2%/*}"; : >".$2"; fi
  mount -n --rbind "$1" ".$2"
  above=${2%/*}
  while [ -n "$above" ]; do
    # Only directories of the host: what it shares belongs to the machine.
    [ "$(stat --format %d ".$above")" != "$own" ] || chmod a+x ".$above"
    above=${above%/*}
  done
  shift 2
done
mkdir -p machine
pivot_root . machine
cd /
mount -n -t proc proc /proc
umount -n -l /machine
mount -n -t tmpfs -o mode=755 lab /run
mkdir -p /run/.lab/log /run/lock /run/bird /run/frr /run/nsd
rm -rf /etc/anycast-routed /etc/bird /etc/frr /etc/knot /etc/nsd /etc/unbound
mkdir /etc/anycast-routed /etc/bird /etc/frr /etc/knot /etc/nsd /etc/unbound
"""

_REST = r"""
hostname "$name"
ip link set lo up
for which in all default; do
  # A new address is usable at once, and a reply may leave by another interface (anycast).
  echo 0 2>/dev/null > /proc/sys/net/ipv6/conf/$which/accept_dad || :
  echo 0 > /proc/sys/net/ipv4/conf/$which/rp_filter
done
exec 3<&0
echo "$pid"
exec >/dev/null 2>&1
cat <&3 &
wait $!
"""

MACHINE = _MACHINE_FILES + _REST
RELEASE = _RELEASE_FILES + _REST
