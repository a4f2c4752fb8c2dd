#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that a program on one host, with a small pool of its own and no swap
# file, gets the right bytes back from a memd on another: the hosts are network
# namespaces, the program is bigsort, and the judge is sort(1).
#
# Needs MEMD_BUILD_DIR, the build to test, and root. With MEMD_TEST_TIER=night it
# sorts four times as much.

load ../disk.sh
load ../waiting.sh
load certs.sh
load netns.sh

port=7391
pool_mib=8 text_mib=24
if [ "${MEMD_TEST_TIER:-run}" = night ]; then
	pool_mib=32 text_mib=96
fi

setup_file() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	local name reason

	for name in "${!MEMD_@}"; do
		case $name in
		MEMD_BUILD_DIR | MEMD_TEST_*) ;;
		*) unset "$name" ;;
		esac
	done
	export memd=$MEMD_BUILD_DIR/daemon/memd
	export memctl=$MEMD_BUILD_DIR/client/memctl/memctl
	export bigsort=$MEMD_BUILD_DIR/examples/bigsort
	export MEMCLIENT_ADDRESS=$BATS_FILE_TMPDIR/memd.sock
	cd "$BATS_FILE_TMPDIR" || return
	: >memd.conf
	"$memd" --help | grep -q listen-tcp ||
		skip 'this memd does not listen on TCP'
	netns_make a b >reason || {
		reason=$(cat reason)
		netns_remove
		skip "$reason"
	}
	echo "$netns_id $netns_hosts" >netns
	make_text
}

# Lines in no order, a quarter of them there twice.
make_text() {
	awk -v bytes=$((text_mib << 20)) 'BEGIN {
		srand(1)
		while (n < bytes) {
			line = sprintf("%07d %x %s", rand() * 3e6,
				rand() * 2 ^ 48, substr(filler, 1,
				rand() * 40))
			filler = substr(filler line, 1, 60)
			print line
			n += length(line) + 1
		}
	}' >text
	LC_ALL=C sort -T . -S 64M text >expected
}

teardown_file() {
	[ -s "$BATS_FILE_TMPDIR/netns" ] || return 0
	read -r netns_id netns_hosts <"$BATS_FILE_TMPDIR/netns"
	netns_remove
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
	read -r netns_id netns_hosts <netns
	rm -f sorted figures
}

teardown() {
	stop_memd
}

# start_memd POOL FLAG...: on host b.
start_memd() {
	local pool=$1 status=0

	shift
	(netns_exec b "$memd" --config=memd.conf --socket="$MEMCLIENT_ADDRESS" \
		--pool-size="$pool" --swap-size=512M \
		--swap-dir="$(swap_dir "$BATS_FILE_TMPDIR")" \
		--listen-tcp="10.77.0.2:$port" "$@" >log 2>&1 3>&-) &
	memd_pid=$!
	wait_memd "$memd_pid" log "$memctl" status && return
	status=$?
	memd_pid=
	[ "$status" -eq 3 ] && skip 'the kernel does not let memd run'
	return 1
}

stop_memd() {
	local status=0

	[ -n "${memd_pid:-}" ] || return 0
	kill "$memd_pid"
	wait_exit "$memd_pid" 'memd to end' || status=$?
	memd_pid=
	if [ "$status" -ne 0 ] || grep -E 'broken:|Sanitizer' log; then
		cat log
		return 1
	fi
}

figure() {
	sed -n "s/^bigsort: .*\b$1=\([0-9]*\).*/\1/p" figures
}

counter() {
	"$memctl" -o raw stats "$1" | cut -f 2
}

# sorts_as_sort MODE SETTING...: on host a, with the memory of b.
sorts_as_sort() {
	local mode=$1 address setting pool=$((pool_mib << 20))

	shift
	address="tcp://10.77.0.2:$port?pool_size=${pool_mib}M&swap_size=512M"
	for setting in "$@"; do
		address="$address&$setting"
	done
	netns_in a timeout 300 "$bigsort" -v -m "$mode" -s "$address" text \
		>sorted 2>figures || {
		cat figures log
		return 1
	}
	cat figures
	cmp expected sorted
	[ "$(figure mapped_bytes)" -ge $((3 * pool)) ]
	[ "$(figure faults_swap_in)" -gt 0 ]
	[ "$(counter bytes_in)" -gt "$pool" ]
}

# start_tls POOL: the same with certificates.
start_tls() {
	local tls

	certs_make a b 10.77.0.2
	mapfile -t tls < <(certs_flags a)
	start_memd "$1" "${tls[@]}"
}

@test "with room for all in the other's memory, faults by a thread" {
	start_memd 512M --insecure-tcp=yes
	sorts_as_sort thread insecure_tcp=yes
	[ "$(counter store_write_bytes)" -eq 0 ]
}

@test "with room for all in the other's memory, faults inline" {
	start_memd 512M --insecure-tcp=yes
	sorts_as_sort inline insecure_tcp=yes
}

@test "with a small pool there, that writes to its swap files" {
	start_memd $((2 * pool_mib))M --insecure-tcp=yes
	sorts_as_sort thread insecure_tcp=yes
	[ "$(counter store_write_bytes)" -gt 0 ]
}

@test "with TLS, both ends with a certificate" {
	start_tls 512M
	sorts_as_sort thread "$(certs_query a)"
}

@test "without a certificate nobody gets in" {
	start_tls 64M
	run netns_in a "$bigsort" -s \
		"tcp://10.77.0.2:$port?pool_size=32M&swap_size=64M&insecure_tcp=yes" text
	[ "$status" -eq 1 ]
}

@test "without saying that the network is trusted, nothing starts" {
	run netns_in a "$bigsort" -s "tcp://10.77.0.2:$port?pool_size=32M" text
	[ "$status" -eq 1 ]
	[[ "$output" = *insecure_tcp* ]]
}

@test "with one packet of fifty lost each way" {
	local reason

	reason=$(netns_lose a 2) || skip "$reason"
	netns_lose b 2
	start_memd 512M --insecure-tcp=yes
	sorts_as_sort thread insecure_tcp=yes
	netns_lose_nothing a
	netns_lose_nothing b
}
