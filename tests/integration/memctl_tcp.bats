#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that memctl administrates a memd on another host with a certificate
# that tls_admins names, as it does on the Unix socket; that whoever has no such
# certificate is refused and told why, and above all whoever has none; that a
# host that is not the right one, or is silent, is told from a memd; and that
# ps and status show who keeps memory there from afar, as it is.
#
# Needs MEMD_BUILD_DIR, the build to test.

# bats sets stderr and stderr_lines.
# shellcheck disable=SC2154

bats_require_minimum_version 1.5.0
load ../disk.sh
load ../waiting.sh

setup_file() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	command -v openssl >/dev/null || skip "no openssl here"
	export memd=${MEMD_BIN:-$MEMD_BUILD_DIR/daemon/memd}
	export memctl=${MEMCTL_BIN:-$MEMD_BUILD_DIR/client/memctl/memctl}
	export bigsort=$MEMD_BUILD_DIR/examples/bigsort
	export script=$BATS_TEST_DIRNAME/../../deploy/make-certs.sh
	local name

	for name in "${!MEMD_@}"; do
		case $name in
		MEMD_BUILD_DIR | MEMD_BIN) ;;
		*) unset "$name" ;;
		esac
	done
	cd "$BATS_FILE_TMPDIR" || return
	# Not for "localhost", which reaches it as well.
	"$script" certs --server memd.example,127.0.0.1 --client admin \
		--client worker --client nobody-here --client gone >/dev/null
	"$script" certs --revoke gone >/dev/null
	"$script" others --server 127.0.0.1 --client admin >/dev/null
	mkfifo hold
	start_memd tls "tls_ca = $PWD/certs/ca.pem" \
		"tls_certificate = $PWD/certs/server.pem" \
		"tls_key = $PWD/certs/server.key" \
		"tls_crl = $PWD/certs/crl.pem" \
		"tls_admins = admin" "tls_users = worker=$(id -u)"
	# The user memd runs as, and names for whom there is no certificate.
	start_memd plain "tcp_user = $(id -u)" \
		"tls_admins = memctl root $(id -un || true) $(id -u) 127.0.0.1"
	start_client
}

# start_memd NAME LINE...: with these lines in its configuration.
start_memd() {
	local name=$1 pid status=0

	shift
	printf '%s\n' "socket = @memctl-tcp-$name-$$-$RANDOM$RANDOM" \
		"listen_tcp = 127.0.0.1:0" "pool_size = 8M" \
		"swap_dir = $(swap_dir "$PWD")" "swap_size = 256M" "$@" \
		>"$name.conf"
	"$memd" --config="$name.conf" >"$name.log" 2>&1 3>&- &
	pid=$!
	echo "$pid" >"$name.pid"
	wait_memd "$pid" "$name.log" "$memctl" -s "$(socket_of "$name")" \
		status || status=$?
	if [ "$status" -ne 0 ]; then
		rm "$name.pid"
		[ "$status" -eq 3 ] && skip "the kernel does not let memd run"
		return 1
	fi
	sed -n 's/.*listening-tcp.* port=\([0-9]*\).*/\1/p' "$name.log" \
		>"$name.port"
	[ -s "$name.port" ]
}

socket_of() {
	sed -n 's/^socket = //p' "$1.conf"
}

# address NAME [CERTIFICATES [HOST [CA]]]: of the memd of that name.
address() {
	local port

	port=$(cat "$1.port")
	printf 'tcp://%s:%s' "${3:-127.0.0.1}" "$port"
	[ -z "${2-}" ] ||
		printf '?tls_ca=%s&tls_certificate=%s&tls_key=%s' "${4:-certs/ca.pem}" \
			"$2.pem" "$2.key"
}

# A program that keeps most of its 3 MiB with memd, and is held with it.
start_client() {
	local pid

	seq 100000 | rev >text
	MEMCLIENT_ADDRESS="$(address tls certs/worker)&pool_size=1M&swap_size=16M" \
		"$bigsort" -v -H text <>hold >sorted 2>figures 3>&- &
	pid=$!
	echo "$pid" >client.pid
	wait_while_alive "$pid" 'bigsort to have sorted' \
		grep -q lines= figures || { cat figures >&2; return 1; }
}

# end NAME [SIGNAL]: the process in NAME.pid, and wait until it has gone.
end() {
	local pid

	[ -s "$1.pid" ] || return 0
	pid=$(cat "$1.pid")
	rm "$1.pid"
	kill "-${2:-TERM}" "$pid" 2>/dev/null || return 0
	wait_gone "$pid" "$1 to end"
}

teardown_file() {
	cd "$BATS_FILE_TMPDIR" || return
	end trace_here
	end trace_afar
	end client
	end tls
	end plain
	! grep -E 'broken:|Sanitizer' ./*.log >&2
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
	MEMCLIENT_ADDRESS=$(address tls certs/admin)
	export MEMCLIENT_ADDRESS
}

# ask FILTER COMMAND...: of its JSON what FILTER says.
ask() {
	local filter=$1

	shift
	"$memctl" -o json "$@" | jq -e "$filter"
}

# fails CODE TEXT ADDRESS COMMAND...: memctl ends with CODE, prints nothing but
# one line of complaint, which contains TEXT.
fails() {
	local code=$1 text=$2 address=$3

	shift 3
	run -"$code" --separate-stderr "$memctl" -s "$address" "$@"
	[ -z "$output" ]
	echo "$stderr"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == "memctl: "*"$text"* ]]
}

@test "an admin's certificate sees what the Unix socket shows" {
	local command here
	here=$(socket_of tls)
	for command in segments guests config 'config pool_size' \
		'stats metadata_bytes' 'faults --histogram'; do
		# shellcheck disable=SC2086 # several words
		"$memctl" -o raw $command | cut -f 1-4 >from_afar
		# shellcheck disable=SC2086
		"$memctl" -o raw -s "$here" $command | cut -f 1-4 >from_here
		[ "$command" = 'faults --histogram' ] || [ -s from_afar ]
		diff from_here from_afar
	done
	ask ".status[0] | .pid == $(cat tls.pid)" status
	[[ $("$memctl" status) == *", at $(address tls)"$'\n'* ]]
	"$memctl" ps -l | grep worker
	"$memctl" faults >/dev/null
	[ "$("$memctl" -o raw iostat 0.05 2 | wc -l)" -eq 2 ]
	run -7 "$memctl" maps 1
	until grep 'session-open .* certificate="admin" .* admin=only' tls.log
	do
		sleep 0.1
	done
}

@test "it changes things, too" {
	local own
	own=".limit[] | select(.scope == \"uid\" and .uid == $(id -u))"
	"$memctl" limit set --uid "$(id -u)" --mapped 1G
	ask "$own | .limit_mapped_bytes == 1073741824" limit
	"$memctl" limit set --uid "$(id -u)" --mapped none
	"$memctl" evict --bytes 1M
	printf 'memd-order 1\nnone\t1\t1\n' >order
	run -7 "$memctl" replay order
}

# Its own setting would have to be smaller, not larger.
@test "a program whose size has no room is told whose setting is meant" {
	run ! env MEMCLIENT_ADDRESS="$(address tls certs/worker)&swap_size=1G" \
		"$bigsort" text
	[[ $output == *"memd at 127.0.0.1:$(cat tls.port) has no room "* ]]
	[[ $output == *" a smaller swap_size here,"* ]]
	[[ $output == *"it says: no room for "*"; make swap_size larger"* ]]
}

# show_faults HERE TEXT LINES: are so many there?  If not, sort TEXT.
show_faults() {
	[ "$(wc -l <from_here)" -ge "$3" ] && [ -s from_afar ] && return
	MEMCLIENT_ADDRESS=$1 timeout 60 "$bigsort" "$2" >/dev/null
	return 1
}

same_tails() {
	cmp -s <(tail -n 50 from_here) <(tail -n 50 from_afar)
}

# Both show the faults of programs on the host itself.  What TLS has decrypted
# already must be shown though nothing more comes.
@test "trace shows over TLS what it shows on the Unix socket, at once" {
	local here
	here=$(socket_of tls)
	"$memctl" -o raw -s "$here" trace >from_here 2>&1 3>&- &
	echo $! >trace_here.pid
	"$memctl" -o raw trace >from_afar 2>&1 3>&- &
	echo $! >trace_afar.pid
	head -n 10 text >few
	wait_until 'a fault to be shown' show_faults "$here" few 1
	wait_until 'a hundred faults to be shown' show_faults "$here" text 100
	wait_until 'both to show the same' same_tails
	awk -F '\t' 'NF != 12 { exit 1 }' from_afar
	end trace_here INT
	end trace_afar INT
}

@test "ps and status show who is there, and what is held" {
	local of_client='.ps[] | select(.host != null)' pages
	ask "$of_client | .host == \"127.0.0.1\" and .peer == \"worker\" and
		.pid == null and .rtt_ns > 0 and .rtt_ns < 1000000000 and
		.carrier == \"tcp\" and .uid == $(id -u) and
		.guest_pages * 4096 == .resident_bytes + .swapped_bytes and
		.guest_pages > 200" ps
	pages=$(ask "$of_client | .guest_pages" ps)
	ask ".status[0] | .guests_connected == 1 and .guests_away == 0 and
		.guest_pages == $pages" status
	"$memctl" status | grep "^guests    1 connected, $pages pages held ("
	"$memctl" ps | grep -E '^worker +127\.0\.0\.1 .* '"$pages"' '
	# Nobody keeps anything with the other one.
	"$memctl" -s "$(socket_of plain)" status |
		grep '^guests    0 connected, '
}

@test "status shows where memd listens, with the port that was chosen" {
	local name tls here port
	for name in tls plain; do
		here=$(socket_of "$name")
		port=$(cat "$name.port")
		tls=$([ "$name" = tls ] && echo true || echo false)
		MEMCLIENT_ADDRESS=$here ask ".status[0] |
			.listening == [\"unix:$here\",
				\"tcp://127.0.0.1:$port\"] and
			.listening_tls == $tls" status
	done
	"$memctl" status | grep "^ \+tcp://127.0.0.1:$(cat tls.port), with TLS\$"
	# It is an address for other programs.
	"$memctl" -s "$("$memctl" -o json status |
		jq -r '.status[0].listening[0]')" status >/dev/null
}

@test "limit shows what a session of another host has, and who bounds it" {
	local session row own
	session=$(ask '.ps[] | select(.host != null) | .session' ps)
	row=".limit[] | select(.session == $session)"
	own=".limit[] | select(.scope == \"uid\" and .uid == $(id -u))"
	ask "$row | .limit_bytes == null and .limit_mapped_bytes == null and
		.used_bytes > 0 and .mapped_bytes == 16777216 and
		.pid == null and .source == \"uid\"" limit
	ask "$own | .mapped_bytes >= 16777216" limit
	"$memctl" limit | grep -E "^session +s$session .* uid\$"
	# Nobody thinks he has set one that does not count.
	fails 1 "is of another host: what it keeps here is charged to its \
user; set the limit of uid $(id -u)" "$MEMCLIENT_ADDRESS" \
		limit set --session "$session" --mapped 1M
	ask ".ps[] | select(.session == $session) | .limit_bytes == 0" ps
}

sort_until_enough() {
	while [ ! -e enough ]; do
		MEMCLIENT_ADDRESS="$MEMCLIENT_ADDRESS&pool_size=1M&swap_size=16M" \
			timeout 60 "$bigsort" text >/dev/null
	done
}

@test "the rates are those of what goes in and out" {
	local of_client='.ps[] | select(.host != null and .peer == "admin")'
	sort_until_enough 3>&- &
	wait_until 'bytes to come in' \
		ask "$of_client | .in_bytes_per_s > 4096" ps
	wait_until 'bytes to go out' \
		ask "$of_client | .out_bytes_per_s > 4096" ps
	touch enough
	wait_exit $! 'the sorting to end'
	wait_until 'its memd to see that it has gone' \
		ask '.status[0].guests_connected == 1' status
}

@test "what ends something is for administrators from afar, too" {
	fails 7 'no segment has the name "none"' "$MEMCLIENT_ADDRESS" unlink none
	fails 7 'no session 4000000 is connected' "$MEMCLIENT_ADDRESS" \
		disconnect s4000000
	fails 7 'no guest 4000000 is here' "$MEMCLIENT_ADDRESS" \
		drop-guest --yes 4000000
}

@test "a certificate that tls_admins does not name is refused, by name" {
	local command name
	printf 'memd-order 1\nnone\t1\t1\n' >order
	for command in status ps segments 'maps 1' guests stats iostat faults \
		trace 'replay order' evict limit 'unlink none' \
		'disconnect s1' 'drop-guest -y 1' \
		'limit set --uid 0 --frames 1' config; do
		# shellcheck disable=SC2086 # several words
		fails 6 'certificate "worker" is not named in tls_admins: add' \
			"$(address tls certs/worker)" $command
	done
	# One that is nobody here learns that, and so does the log.
	for name in nobody-here server; do
		fails 6 "is not named in tls_admins: add" \
			"$(address tls certs/$name)" status
	done
	# Directory services are asked for it first.
	until grep 'guest-refused .*nobody-here: no user nobody-here here' \
		tls.log; do
		fails 6 "is not named in tls_admins: add" \
			"$(address tls certs/nobody-here)" status
	done
	# That it answers is everybody's business who has a certificate.
	"$memctl" -s "$(address tls certs/worker)" doctor >said || true
	grep "^ok    daemon: memd .* answers at $(address tls)\$" said
}

@test "TLS refuses with its reason" {
	fails 6 'refuses our certificate: certificate is revoked' \
		"$(address tls certs/gone)" status
	fails 6 'refuses our certificate: unknown CA' \
		"$(address tls others/admin)" status
	fails 6 "the other side's certificate: unknown CA" \
		"$(address tls certs/admin '' others/ca.pem)" status
	fails 6 "host name mismatch: the other side's certificate is not for \
localhost" "$(address tls certs/admin localhost)" status
	fails 2 "not the certificate's key" \
		"$(address tls certs/admin)&tls_key=certs/worker.key" status
	chmod 644 certs/gone.key
	fails 2 'others may use the key' "$(address tls certs/gone)" status
	chmod 600 certs/gone.key
	fails 5 'the other side speaks no TLS: check host and port' \
		"$(address plain certs/admin)" status
	fails 5 'does it want TLS (tls_ca, tls_certificate and tls_key)?' \
		"$(address tls)" status
}

@test "without a certificate nobody administrates, whoever tcp_user is" {
	local command
	for command in status ps guests stats 'limit set --uid 0 --frames 1' \
		evict config; do
		# shellcheck disable=SC2086 # several words
		fails 6 'without a certificate nobody may do this over TCP' \
			"$(address plain)" $command
		# shellcheck disable=SC2086
		fails 6 'without a certificate nobody may do this over TCP' \
			"$(address plain)?insecure_tcp=yes" $command
	done
	"$memctl" -s "$(address plain)" doctor >said || true
	grep "^ok    daemon: memd .* answers at $(address plain)\$" said
	"$memctl" -s "$(socket_of plain)" -o json config tls_admins |
		jq -e '.config[0].value | test("root")'
}

@test "a host that is silent is waited for no longer than asked" {
	kill -STOP "$(cat plain.pid)"
	fails 5 "memd at $(address plain) did not answer within 300 ms" \
		"$(address plain certs/admin)" --timeout 300ms status
	fails 5 "memd at $(address plain) did not answer within 300 ms" \
		"$(address plain)" --timeout 300ms status
	kill -CONT "$(cat plain.pid)"
}

@test "a client that died is away, and its pages are held" {
	local pages
	pages=$(ask '.status[0].guest_pages' status)
	end client KILL
	wait_until 'the client to be away' \
		ask '.status[0] | .guests_connected == 0 and
		.guests_away == 1' status
	ask ".status[0].guest_pages == $pages" status
	"$memctl" status | grep "^guests    0 connected, 1 away, $pages pages"
	ask '.ps == []' ps
	ask '.guests | length == 1 and .[0].idle_ms >= 0 and
		.[0].peer == "worker"' guests
}

@test "after memd nobody listens there" {
	local at
	at=$(address tls)
	end tls
	fails 5 "nobody listens at $at: start memd there" \
		"$MEMCLIENT_ADDRESS" status
}
