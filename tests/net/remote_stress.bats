#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that memory kept by a memd on another host holds every byte, and that
# nobody waits for ever, while the network between the two does its worst: a
# program's threads read and write six times their pool, against a model
# (stress_test), through a proxy (cutproxy) that cuts connections at random
# moments, inside of messages and between them, delays, stalls and refuses.
#
# Needs MEMD_BUILD_DIR, the build to test.  MEMD_TEST_OPS is how many operations
# each thread does (2000).

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
	export MEMD_SOCKET=$BATS_FILE_TMPDIR/memd.sock
	cd "$BATS_FILE_TMPDIR" || return
	: >memd.conf
	start_memd
}

# Its pool is smaller than what it is given: pages go to its swap file too.
start_memd() {
	local status=0 pid

	"$memd" --config=memd.conf --socket="$MEMD_SOCKET" --pool-size=24M \
		--swap-file="$BATS_FILE_TMPDIR/swap" --swap-size=1600M \
		--listen-tcp=127.0.0.1:0 >log 2>&1 3>&- &
	pid=$!
	echo "$pid" >pid
	until "$memctl" status >/dev/null 2>&1; do
		if ! kill -0 "$pid" 2>/dev/null; then
			wait "$pid" || status=$?
			cat log >&2
			rm pid
			[ "$status" -eq 3 ] &&
				skip 'the kernel does not let memd run'
			return 1
		fi
		sleep 0.1
	done
}

teardown_file() {
	local pid

	cd "$BATS_FILE_TMPDIR" || return
	[ -s pid ] || return 0
	pid=$(cat pid)
	kill "$pid"
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.05
	done
	if grep -E 'broken:|Sanitizer' log >&2; then
		return 1
	fi
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
	proxy_pid=
}

teardown() {
	stop_proxy
}

start_proxy() {
	local memd_port

	memd_port=$(sed -n 's/.* listening-tcp .*port=\([0-9]*\).*/\1/p' log)
	rm -f port
	"$cutproxy" "$@" "127.0.0.1:$memd_port" >port 2>proxy 3>&- &
	proxy_pid=$!
	until [ -s port ]; do
		kill -0 "$proxy_pid"
		sleep 0.05
	done
}

stop_proxy() {
	[ -n "$proxy_pid" ] || return 0
	kill "$proxy_pid"
	wait "$proxy_pid" || true
	proxy_pid=
}

# What the proxy says it has done.
done_by_proxy() {
	sed -n "s/^cutproxy: .*\b$1=\([0-9]*\).*/\1/p" proxy
}

# survives CUTS PROXY_OPTION...: all bytes are right though the connection was
# cut as often at least.
survives() {
	local cuts=$1 status=0

	shift
	start_proxy "$@"
	timeout -k 5 240 "$stress" --pool 32M --ops "${MEMD_TEST_OPS:-2000}" \
		--seed 7 --address "tcp://127.0.0.1:$(cat port)" || status=$?
	stop_proxy
	cat proxy
	[ "$status" -eq 0 ]
	[ "$(done_by_proxy cuts)" -ge "$cuts" ]
	[ "$(done_by_proxy messages)" -gt 1000 ]
}

@test "nothing happens" {
	survives 0
}

@test "the connection is cut at random, every second" {
	survives 2 --cut-every=1000 --seed=1
}

@test "it is cut inside of messages" {
	survives 2 --cut-inside=3000 --seed=2
}

@test "it is cut between messages, sooner or later" {
	survives 2 --cut-messages=2000 --step --seed=3
}

@test "it is cut after so many bytes, one more each time" {
	survives 2 --cut-bytes=30000000 --step --seed=4
}

@test "it is slow and stalls" {
	survives 0 --delay=5 --stall-every=1500 --stall=700 --seed=5
	[ "$(done_by_proxy stalls)" -ge 1 ]
}

@test "all at once, and refused after each cut" {
	survives 2 --cut-every=1500 --delay=3 --stall-every=2000 --stall=400 \
		--refuse=300 --seed=6
	[ "$(done_by_proxy refused)" -ge 1 ]
}

@test "afterwards nothing of it is left there" {
	for _ in {1..100}; do
		"$memctl" -o raw status >status
		if grep -q '^committed_bytes	0$' status; then
			break
		fi
		sleep 0.1
	done
	cat status
	grep -q '^committed_bytes	0$' status
	grep -q '^pages_lost	0$' status
}
