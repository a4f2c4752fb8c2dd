# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For tests of several hosts: network namespaces joined by a pair of virtual
# cables.  Sourced.
#
#   netns_make a b    namespaces for two hosts, 10.77.0.1 and 10.77.0.2
#   netns_in a CMD    run CMD on host a
#   netns_exec a CMD  the same in place of this shell: for `( ) &`, so that $! is
#                     CMD's
#   netns_lose a N    lose N percent of the packets between host a and the others
#   netns_lose_nothing a
#                     no more
#   netns_remove      take all away; without it they are there for ever
#
# Names of the namespaces end in the process id of the shell that sourced this.
# Where they cannot be, netns_make returns 77 after saying why.

netns_id=$$
netns_hosts=

netns_in() {
	local host=$1

	shift
	ip netns exec "memd-$host-$netns_id" "$@"
}

netns_exec() {
	local host=$1

	shift
	exec ip netns exec "memd-$host-$netns_id" "$@"
}

netns_address() {
	local number=1 host

	for host in $netns_hosts; do
		[ "$host" != "$1" ] || echo "10.77.0.$number"
		number=$((number + 1))
	done
}

netns_refuse() {
	echo "$1"
	return 77
}

netns_make() {
	local host

	[ "$(id -u)" -eq 0 ] || netns_refuse 'not root' || return
	command -v ip >/dev/null || netns_refuse 'no ip(8)' || return
	for host in "$@"; do
		ip netns add "memd-$host-$netns_id" ||
			netns_refuse 'no network namespaces here' || return
		netns_hosts="$netns_hosts $host"
		netns_in "$host" ip link set lo up
	done
	ip -n "memd-$1-$netns_id" link add cable type veth \
		peer name cable netns "memd-$2-$netns_id" ||
		netns_refuse 'no veth in this kernel' || return
	for host in "$1" "$2"; do
		netns_in "$host" ip addr add "$(netns_address "$host")/24" \
			dev cable &&
			netns_in "$host" ip link set cable up || return
	done
}

netns_lose() {
	if netns_in "$1" tc qdisc replace dev cable root netem loss "$2%" \
		2>/dev/null; then
		return
	fi
	netns_in "$1" nft -f - 2>/dev/null <<-END && return
		table inet lossy {
			chain in {
				type filter hook input priority 0;
				iifname "cable" numgen random mod 100 < $2 drop;
			}
		}
	END
	netns_refuse 'neither netem with tc(8) nor nft(8) in this kernel'
}

netns_lose_nothing() {
	netns_in "$1" tc qdisc del dev cable root 2>/dev/null ||
		netns_in "$1" nft delete table inet lossy
}

netns_remove() {
	local host

	for host in $netns_hosts; do
		ip netns del "memd-$host-$netns_id"
	done
	netns_hosts=
}
