#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that memory kept by a memd on another host holds every byte, and that
# nobody waits for ever, while the network between the two does its worst: a
# program's threads read and write six times their pool, against a model
# (stress_test), through a proxy (cutproxy) that cuts connections at random
# moments, inside of messages and between them, delays, stalls and refuses.
# With TLS it cuts between records, inside of them and in the handshake. Last,
# between two network namespaces that lose packets, cuts besides.
#
# Needs MEMD_BUILD_DIR, the build to test, and for the last part root. How many
# operations each thread does is MEMD_TEST_OPS (300), and ten times that with
# MEMD_TEST_TIER=night.

load ../disk.sh
load ../waiting.sh
load certs.sh
load netns.sh

ROUNDS_MAX=20

setup_file() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	local name

	for name in "${!MEMD_@}"; do
		case $name in
		MEMD_BUILD_DIR | MEMD_TEST_*) ;;
		*) unset "$name" ;;
		esac
	done
	export memd=$MEMD_BUILD_DIR/daemon/memd
	export memctl=$MEMD_BUILD_DIR/client/memctl/memctl
	export cutproxy=$MEMD_BUILD_DIR/tests/net/cutproxy
	export stress=$MEMD_BUILD_DIR/tests/integration/stress_test
	export ops=${MEMD_TEST_OPS:-300}
	cd "$BATS_FILE_TMPDIR" || return
	# What a program leaves whose goodbye was cut off goes when it is over.
	echo 'guest_keep = 15s' >memd.conf
	certs_make tester 127.0.0.1 10.77.0.2
	start_memd plain here 127.0.0.1
	start_memd tls here 127.0.0.1
	start_lossy
}

# Hosts a, with the program, and b, with the memds.
start_lossy() {
	netns_make a b >no-netns || {
		netns_remove
		return 0
	}
	echo "$netns_id $netns_hosts" >netns
	{ netns_lose a 2 && netns_lose b 2; } >no-netns || return 0
	rm no-netns
	start_memd lossy-plain b 10.77.0.2 --insecure-tcp=yes
	start_memd lossy-tls b 10.77.0.2
}

# start_memd NAME HOST ADDRESS FLAG...: with TLS if NAME says so. Its pool is
# smaller than what it is given: pages go to its swap files too.
start_memd() {
	local name=$1 host=$2 address=$3 status=0 pid tls=()

	shift 3
	[ "${name%tls}" = "$name" ] || mapfile -t tls < <(certs_flags tester)
	mkdir "$name"
	on_host "$host" "$memd" --config=memd.conf --socket="$PWD/$name/socket" \
		--pool-size=24M --swap-dir="$(swap_dir "$PWD")" \
		--swap-size=1100M --listen-tcp="$address:0" "${tls[@]}" "$@" \
		>"$name/log" 2>&1 3>&- &
	pid=$!
	echo "$pid" >"$name/pid"
	wait_memd "$pid" "$name/log" "$memctl" --socket="$PWD/$name/socket" \
		status && return
	status=$?
	rm "$name/pid"
	[ "$status" -eq 3 ] && skip 'the kernel does not let memd run'
	return 1
}

# A command in place of this shell, which must be one of its own.
on_host() {
	local host=$1

	shift
	[ "$host" != here ] || exec "$@"
	netns_exec "$host" "$@"
}

teardown_file() {
	local file pid failed=false

	cd "$BATS_FILE_TMPDIR" || return
	for file in */pid; do
		[ -s "$file" ] || continue
		pid=$(cat "$file")
		kill "$pid"
		wait_gone "$pid" "memd ${file%/pid} to end" || failed=true
		! grep -E 'broken:|Sanitizer' "${file%pid}log" >&2 ||
			failed=true
	done
	if [ -s netns ]; then
		read -r netns_id netns_hosts <netns
		netns_remove
	fi
	! $failed
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
	[ ! -s netns ] || read -r netns_id netns_hosts <netns
	proxy_pid=
}

teardown() {
	stop_proxy
}

# start_proxy NAME HOST OPTION...: on HOST, before the memd NAME.
start_proxy() {
	local name=$1 host=$2 to

	shift 2
	to=$(sed -n 's/.* listening-tcp address=\([^ ]*\) port=\([0-9]*\).*/\1:\2/p' \
		"$name/log")
	rm -f port
	on_host "$host" "$cutproxy" "$@" "$to" >port 2>proxy 3>&- &
	proxy_pid=$!
	wait_while_alive "$proxy_pid" 'the port of cutproxy' test -s port ||
		{ cat proxy; return 1; }
}

stop_proxy() {
	[ -n "$proxy_pid" ] || return 0
	kill "$proxy_pid"
	wait_exit "$proxy_pid" 'cutproxy to end' || true
	proxy_pid=
}

# What the proxy says it has done.
done_by_proxy() {
	sed -n "s/^cutproxy: .*\b$1=\([0-9]*\).*/\1/p" proxy
}

address_of() {
	local address

	address="tcp://127.0.0.1:$(cat port)"
	[ "${1%tls}" = "$1" ] || address="$address?$(certs_query tester)"
	echo "$address"
}

# run_stress NAME HOST OPS SEED PROXY_OPTION...: all bytes are right, unless the
# program was cut off before it had begun.  Sets compared, to how many accesses
# it has verified.
run_stress() {
	local name=$1 host=$2 ops=$3 seed=$4 status=0

	shift 4
	compared=0
	start_proxy "$name" "$host" --seed="$seed" "$@"
	(on_host "$host" timeout -k 5 300 "$stress" --pool 32M --ops "$ops" \
		--seed "$seed" --address "$(address_of "$name")" \
		>said 2>errors) || status=$?
	stop_proxy
	cat said errors proxy
	if grep -q '^open: .*cannot reach a memd' errors; then
		# It is told so: a round for nothing.  Nobody else may be.
		[ $(($(done_by_proxy cuts) + $(done_by_proxy refused))) -gt 0 ]
		return
	fi
	[ "$status" -eq 0 ]
	[ "$(done_by_proxy messages)" -gt 200 ]
	compared=$(sed -n 's/^\([0-9]*\) accesses verified.*/\1/p' said)
	[ "$compared" -gt 0 ]
}

# survives CUTS NAME OPS PROXY_OPTION...: all bytes are right, of a round at
# least, though the connection to the memd NAME was cut as often at least; on a
# fast machine that takes several rounds.
survives() {
	local cuts=$1 name=$2 ops=$3 host=here seed=7 cut=0 rounds=0 compared

	shift 3
	[ "${name#lossy}" = "$name" ] || host=a
	while :; do
		run_stress "$name" "$host" "$ops" "$seed" "$@"
		[ "$compared" -eq 0 ] || rounds=$((rounds + 1))
		cut=$((cut + $(done_by_proxy cuts)))
		refused=$((${refused:-0} + $(done_by_proxy refused)))
		[ "$rounds" -eq 0 ] || [ "$cut" -lt "$cuts" ] || break
		seed=$((seed + 1))
		[ "$seed" -lt $((7 + ROUNDS_MAX)) ]
	done
}

@test "nothing happens" {
	survives 0 plain "$ops"
}

@test "the connection is cut at random moments" {
	survives 3 plain "$ops" --cut-every=500
}

@test "it is cut inside of messages" {
	survives 3 plain "$ops" --cut-inside=400
}

@test "it is cut between messages, sooner or later" {
	survives 3 plain "$ops" --cut-messages=400 --step
}

@test "it is cut after so many bytes, one more each time" {
	survives 3 plain "$ops" --cut-bytes=30000000 --step
}

@test "it is cut after any number of bytes, many times" {
	survives 10 plain "$ops" --cut-bytes=50000000 --scatter
}

@test "it is slow and stalls" {
	survives 0 plain $((ops / 3)) --delay=5 --stall-every=700 --stall=500
	[ "$(done_by_proxy stalls)" -ge 1 ]
}

@test "all at once, and refused after each cut" {
	survives 3 plain $((ops / 3)) --cut-every=700 --delay=3 \
		--stall-every=1000 --stall=300 --refuse=200
	[ "$refused" -ge 1 ]
}

@test "TLS, and nothing happens" {
	survives 0 tls "$ops"
}

@test "TLS, cut at random moments" {
	survives 3 tls "$ops" --cut-every=500
}

@test "TLS, cut between records, sooner or later" {
	survives 3 tls "$ops" --cut-messages=1000 --step
}

@test "TLS, cut inside of records" {
	survives 3 tls "$ops" --cut-inside=1000
}

@test "TLS, cut after any number of bytes and in handshakes, many times" {
	survives 10 tls "$ops" --cut-bytes=50000000 --scatter
}

@test "TLS, cut after any number of records" {
	survives 10 tls "$ops" --cut-messages=4000 --scatter
}

@test "TLS, all at once, and refused after each cut" {
	survives 2 tls $((ops / 3)) --cut-every=700 --delay=3 \
		--stall-every=1000 --stall=300 --refuse=200
}

# How often host b has sent something again.
resent() {
	netns_in b awk '/^Tcp:/ && !at { while ($++at != "RetransSegs"); next }
		/^Tcp:/ { print $at }' /proc/net/snmp
}

# survives_loss NAME: cuts and lost packets.
survives_loss() {
	local before

	[ -d "$1" ] || skip "$(cat no-netns)"
	before=$(resent)
	survives 2 "$1" $((ops / 3)) --cut-every=1000
	[ "$(resent)" -gt "$before" ]
}

@test "one packet of fifty is lost each way, and cut about each second" {
	survives_loss lossy-plain
}

@test "the same with TLS" {
	survives_loss lossy-tls
}

keeps_nothing() {
	"$memctl" --socket="$PWD/$1/socket" -o raw status >status &&
		grep -q '^committed_bytes	0$' status
}

# is_empty NAME: nothing is kept there, and nothing was lost.
is_empty() {
	wait_until "memd $1 to keep nothing" keeps_nothing "$1" || {
		cat status
		return 1
	}
	grep -q '^pages_lost	0$' status
}

@test "afterwards nothing of it is left there" {
	local file

	for file in */pid; do
		is_empty "${file%/pid}"
	done
}
