#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves what memctl prints, byte by byte, in all three forms, what it asks for,
# and with which exit status and which line it fails; against a server with
# canned answers, good and bad (memctl_fake_server.c).
#
# Needs MEMD_BUILD_DIR, the build to test.  MEMCTL_BLESS=1 writes the expected
# outputs in memctl_golden/ anew: read the difference before committing it.

# bats sets stderr and stderr_lines; backquotes and $0 stand in quotes for what
# they are; no file is read and written at once.
# shellcheck disable=SC1091,SC2016,SC2094,SC2154

bats_require_minimum_version 1.5.0
load ../waiting.sh

setup_file() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	export memctl=${MEMCTL_BIN:-$MEMD_BUILD_DIR/client/memctl/memctl}
	export server=$MEMD_BUILD_DIR/tests/integration/memctl_fake_server
	export golden=$BATS_TEST_DIRNAME/memctl_golden
	export repo=$BATS_TEST_DIRNAME/../..
	unset MEMCLIENT_ADDRESS MEMD_SOCKET NO_COLOR COLUMNS
	export LC_ALL=C.UTF-8 TERM=xterm
}

# The file that `replay` is given.
put_order() {
	printf 'memd-order 1\n'
	printf '%s\t%d\t%d\n' words 7 100 'old table' 3 64 /12 0 8 \
		words 500 1 gone 1 1 'old table' 0 1 words 3 1
}

# Tests run in a folder of their own, with the socket in it.
setup() {
	server_pid=
	cd "$BATS_TEST_TMPDIR" || return
	export MEMCLIENT_ADDRESS=memd.sock
}

teardown() {
	stop_server
}

# It listens before it goes into the background: no need to wait.
start_server() {
	stop_server
	rm -f memd.sock
	server_pid=$("$server" memd.sock "$1" requests)
}

# The same, on a port of 127.0.0.1.
start_tcp_server() {
	local port

	stop_server
	read -r server_pid port < <("$server" tcp "$1" requests)
	export MEMCLIENT_ADDRESS=tcp://127.0.0.1:$port
}

stop_server() {
	[ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
	server_pid=
}

# golden NAME ARGUMENT...: memctl succeeds, complains of nothing and prints
# what memctl_golden/NAME has.
golden() {
	local name=$1

	shift
	"$memctl" "$@" >out 2>err
	[ ! -s err ] || { cat err; return 1; }
	if [ -n "${MEMCTL_BLESS-}" ]; then
		cp out "$golden/$name"
	else
		diff -u "$golden/$name" out
	fi
}

# fails CODE TEXT ARGUMENT...: memctl ends with CODE, prints nothing but one
# line of complaint, which contains TEXT.
fails() {
	local code=$1 text=$2

	shift 2
	run -"$code" --separate-stderr "$memctl" "$@"
	[ -z "$output" ]
	echo "$stderr"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == "memctl: "*"$text"* ]]
}

# refuses TEXT ARGUMENT...: a usage error that says TEXT.
refuses() {
	local text=$1

	shift
	run -2 --separate-stderr "$memctl" "$@"
	[ -z "$output" ]
	echo "$stderr"
	[[ ${stderr_lines[0]} == memctl*"$text"* ]]
}

# on_terminal COLUMNS COMMAND: its output on a terminal so wide.
on_terminal() {
	script -qefc "stty cols $1; $2" /dev/null </dev/null | tr -d '\r'
}

# ---- the right output

@test "each command prints its table, JSON and raw lines" {
	local form
	start_server ok
	for form in table json raw; do
		golden "status.$form" -o "$form" status
		golden "ps.$form" -o "$form" ps
		golden "segments.$form" -o "$form" segments
		golden "maps.$form" -o "$form" maps 1201
		golden "guests.$form" -o "$form" guests
		golden "stats.$form" -o "$form" stats
		golden "faults.$form" -o "$form" faults
		golden "histogram.$form" -o "$form" faults --histogram
		golden "evict.$form" -o "$form" evict
		golden "unlink.$form" -o "$form" unlink words
		golden "disconnect.$form" -o "$form" disconnect s12
		golden "drop-guest.$form" -o "$form" drop-guest --yes 3
		golden "limit.$form" -o "$form" limit
		golden "config.$form" -o "$form" config
		put_order >order
		golden "replay.$form" -o "$form" replay order
	done
	golden unlink-gone.table unlink 'old table'
	golden help.table help
}

# The canned answers never change: from the second line on, nothing flows.
@test "iostat prints its table, JSON and raw lines" {
	local form
	start_server flow
	for form in table json raw; do
		golden "iostat.$form" -o "$form" iostat 0.01 3
	done
	golden iostat-bytes.table --bytes iostat
	jq -es 'length == 3 and ([.[] | keys] | unique | length == 1)' \
		"$golden/iostat.json"
	# A memd that does not count these things.
	start_server ok
	golden iostat-unknown.raw -o raw iostat 5ms 2
}

has_lines() {
	[ "$(grep -c . "$1")" -ge "$2" ]
}

@test "iostat ends when its reader does, and when memd does" {
	start_server flow
	timeout 60 "$memctl" iostat 0.01 2>err | head -n 3 >out
	[ "${PIPESTATUS[0]}" -eq 0 ]
	[ ! -s err ]
	: >out
	"$memctl" iostat 0.01 >out 2>err 3>&- &
	local pid=$! status=0
	wait_while_alive "$pid" 'three lines of iostat' has_lines out 3
	stop_server
	wait_exit "$pid" 'iostat to end' || status=$?
	[ "$status" -eq 5 ]
	[ "$(grep -c . err)" -eq 1 ]
}

@test "trace prints its table, JSON and raw lines" {
	local form
	start_server ok
	for form in table json raw; do
		"$memctl" -o "$form" trace --count 5 >out 2>err
		if [ -n "${MEMCTL_BLESS-}" ]; then
			cp out "$golden/trace.$form"
		fi
		diff -u "$golden/trace.$form" out
		# Of what it could not show it tells in every form.
		[ "$(cat err)" = \
			"5 faults shown, 9 dropped because memctl was too slow" ]
	done
}

@test "trace tells programs nothing on stderr when nothing was dropped" {
	start_server ok
	golden trace-3.raw -o raw trace -n 3
	[ "$(wc -l <out)" -eq 3 ]
}

@test "--long and --bytes change tables only" {
	local command form
	start_server ok
	golden status-bytes.table --bytes status
	golden ps-long.table ps --long
	golden ps-bytes.table ps -b
	golden segments-long.table -l segments
	golden config-long.table config -l
	golden limit-bytes.table limit --bytes
	for command in status ps segments guests stats faults limit config; do
		for form in json raw; do
			golden "$command.$form" "$command" -lb -o "$form"
		done
	done
}

@test "clients on other hosts have a table of their own" {
	local form
	start_server guests
	for form in table json raw; do
		golden "guests-ps.$form" -o "$form" ps
		golden "guests-status.$form" -o "$form" status
	done
	golden guests-ps-long.table ps --long
	golden guests-bytes.table ps --bytes
	"$memctl" -o json ps | jq -e '.ps | length == 6 and
		all(.[]; (.pid == null) == (.host != null or .session == 14))'
}

@test "a memd that is not well says why" {
	local form
	start_server degraded
	for form in table json raw; do
		golden "degraded.$form" -o "$form" status
	done
}

@test "nothing to show is an empty table, array, or no line" {
	local form
	start_server empty
	for form in table json raw; do
		golden "empty-ps.$form" -o "$form" ps
		golden "empty-maps.$form" -o "$form" maps 1
	done
	[ ! -s "$golden/empty-ps.raw" ]
	"$memctl" -o json ps | jq -e '.ps == []'
}

@test "every JSON output is valid, and rows have the keys of raw" {
	local command columns
	start_server ok
	for command in ps segments 'maps 1201' stats faults limit config evict; do
		# shellcheck disable=SC2086 # two words
		"$memctl" -o json $command >json
		# shellcheck disable=SC2086
		"$memctl" -o raw $command >raw
		jq -e 'length == 1 and (.[] | type == "array")' json
		jq -e '[.[][] | keys] | unique | length == 1' json
		jq -r '.[][] | [.[] | if . == null then "-" else tostring end]
			| @tsv' json >from_json
		columns=$(jq '.[][0] | length' json)
		awk -F '\t' -v n="$columns" 'NF != n { exit 1 }' raw
		# Numbers of more than 53 bits and decimals are jq's problem.
		case $command in
		stats | ps | config) ;;
		*) diff -u raw from_json ;;
		esac
	done
	put_order >order
	"$memctl" -o json replay order | jq -e '.replay | length == 4'
	"$memctl" -o json status | jq -e '.status[0].pool_bytes == 67108864'
	"$memctl" -o json trace -n 3 2>/dev/null | jq -es 'length == 3'
	"$memctl" -o json version | jq -e '.version[0].protocol_major == 1'
	start_server degraded
	"$memctl" -o json status | jq -e '.status[0].reason | length == 2'
}

@test "names cannot steer the terminal nor break lines, columns or JSON" {
	local form
	start_server hostile
	for form in table json raw; do
		golden "hostile.$form" -o "$form" ps
		[ "$(tr -d '\t\n' <out | LC_ALL=C grep -c '[[:cntrl:]]')" -eq 0 ]
	done
	"$memctl" -o json ps | jq -e '.ps | length == 3'
	[ "$("$memctl" -o raw ps | wc -l)" -eq 3 ]
	"$memctl" -o raw ps | awk -F '\t' 'NF != 23 { exit 1 }'
	iconv -f UTF-8 -t UTF-8 "$golden/hostile.raw" >/dev/null
}

@test "ps sorts" {
	start_server ok
	[ "$("$memctl" -o raw ps -k rss | cut -f 1 | xargs)" = "1201 977 977" ]
	[ "$("$memctl" -o raw ps -k vsz | cut -f 2 | xargs)" = "7 3 2" ]
	[ "$("$memctl" -o raw ps -k swap | cut -f 2 | xargs)" = "7 2 3" ]
	[ "$("$memctl" -o raw ps -k faults | cut -f 2 | xargs)" = "7 3 2" ]
	[ "$("$memctl" -o raw ps -k rate | cut -f 2 | xargs)" = "7 2 3" ]
	[ "$("$memctl" -o raw ps -k pid | cut -f 2 | xargs)" = "2 3 7" ]
}

@test "stats and config show what is named" {
	start_server ok
	[ "$("$memctl" -o raw stats 'faults*' | cut -f 1 | xargs)" = \
		"faults_zero faults_swap_in" ]
	[ "$("$memctl" -o raw stats metadata nothing | cut -f 2)" = 5242880 ]
	[ "$("$memctl" -o raw config pool_size | cut -f 2)" = 64M ]
}

# ---- the right questions

@test "what is given on the command line is what memd is asked for" {
	start_server ok
	"$memctl" maps 1201
	"$memctl" maps s14
	"$memctl" evict
	"$memctl" evict 7
	"$memctl" evict --bytes 1.5M
	"$memctl" evict -b 4096 7
	"$memctl" evict s14
	"$memctl" trace -n 1
	"$memctl" trace 977 -n 1
	"$memctl" trace s4294967295 -n 1
	"$memctl" disconnect 977
	"$memctl" disconnect s12
	"$memctl" limit set --pid 7 --frames 100
	"$memctl" limit set --uid root --frames 64M --mapped=1G
	"$memctl" limit set --uid 3999999998 --frames 4097B
	"$memctl" limit set -S 3 -f none -m 0
	"$memctl" limit set --session=3 --mapped none
	"$memctl" limit set --session=s14 -f 1
	"$memctl" limit set -p s14 -f 1
	"$memctl" limit set -p s14 --default
	put_order >order
	"$memctl" replay order
	awk 'BEGIN { print "memd-order 1"
		for (i = 2500; i > 0; i--) printf "words\t%d\t1\n", i }' >order
	"$memctl" replay order
	# memctl has gone, but the server may still be writing: it writes the
	# log before it takes the next.
	"$memctl" status >/dev/null
	grep '=' requests >asked
	diff -u "$golden/asked" asked
}

@test "the old name of MEMCLIENT_ADDRESS is read, with a warning" {
	start_server ok
	unset MEMCLIENT_ADDRESS
	MEMD_SOCKET=memd.sock run -0 --separate-stderr "$memctl" status
	[[ $stderr == "memctl: MEMD_SOCKET is memd's own setting"*MEMCLIENT_ADDRESS ]]
	MEMD_SOCKET=memd.sock run -0 --separate-stderr \
		"$memctl" -s memd.sock status
	[ -z "$stderr" ]
	MEMD_SOCKET=nowhere MEMCLIENT_ADDRESS=memd.sock \
		run -0 --separate-stderr "$memctl" status
	[ -z "$stderr" ]
}

@test "the socket is --socket, else MEMCLIENT_ADDRESS; abstract ones are @name" {
	local name=@memctl-$$-$BATS_TEST_NUMBER
	server_pid=$("$server" "$name" ok)
	MEMCLIENT_ADDRESS=nowhere "$memctl" --socket "$name" status
	MEMCLIENT_ADDRESS=nowhere "$memctl" status --socket="unix:$name"
	MEMCLIENT_ADDRESS=unix:$name "$memctl" status
	MEMCLIENT_ADDRESS=$name "$memctl" status | grep -F "at $name"
	MEMCLIENT_ADDRESS=$name fails 5 "no memd at ./nowhere" -s ./nowhere status
	start_server ok
	MEMCLIENT_ADDRESS='' fails 5 /run/memd/memd.sock --timeout 1s status ||
		skip "a memd runs on this machine"
	"$memctl" -s "unix:$PWD/memd.sock" status
}

# ---- the right errors

@test "status --check tells the verdict by its exit status" {
	start_server ok
	run -0 "$memctl" status --check
	start_server warn
	run -0 "$memctl" status
	run -3 "$memctl" status --check
	run -3 "$memctl" status --check -o json
	start_server degraded
	run -0 "$memctl" status -o raw
	run -4 "$memctl" status -c
}

# The answer comes from a terminal, or there must be none to ask.
@test "drop-guest asks before it makes another host lose something" {
	local answer
	start_server ok
	fails 2 'pass --yes' drop-guest 4 </dev/null
	for answer in '' n no; do
		run -1 script -qefc "'$memctl' drop-guest 4" /dev/null \
			<<<"$answer"
		[[ $output == *'Drop guest 4 at 2001:db8::9, 4.0M of 64.0M'* ]]
		[[ $output == *'nothing was dropped'* ]]
	done
	"$memctl" status >/dev/null
	[ "$(grep -c drop requests)" -eq 0 ]
	run -0 script -qefc "'$memctl' drop-guest 3" /dev/null <<<y
	[[ $output == *'Drop guest 3 at 192.0.2.7 (build.example), 3.0M of '* ]]
	"$memctl" drop-guest --yes 4
	"$memctl" status >/dev/null
	[ "$(grep drop requests | xargs)" = 'drop guest=3 drop guest=4' ]
}

@test "status --wait waits for a memd that is about to start" {
	local pid
	fails 8 'memd was not ready within 100 ms: no memd at memd.sock' \
		status --wait=0.1
	# There when nobody answers yet, as with a socket of systemd's.
	start_server silent
	fails 8 'ready within 300 ms: memd at memd.sock did not answer' \
		status --wait=300ms
	start_server full
	fails 8 'ready within 300 ms: too many sessions' status --wait=300ms
	stop_server
	rm -f memd.sock
	"$memctl" -o raw status --wait=0 >out 2>err 3>&- &
	pid=$!
	start_server warn
	wait "$pid"
	grep -P '^verdict\twarn$' out
	run -3 "$memctl" status --wait --check
	start_server ok
	golden status.table status --wait
}

@test "status --wait does not wait for what will not come by itself" {
	start_server denied
	fails 6 'only root and members' status --wait=2min
	start_server garbage
	fails 5 'is that memd?' status --wait=2min
	start_server version
	fails 5 'speaks protocol 1, memd 2' status --wait=2min
	fails 2 "'@' is no address" -s @ status --wait=2min
	refuses "'soon' is no time" status --wait=soon
	refuses "'-1' is no time" status --wait=-1
}

@test "without a memd it says how to start one" {
	fails 5 'no memd at memd.sock: start it with `systemctl start memd`' ps
	start_server ok
	stop_server
	fails 5 'nobody listens at memd.sock: start memd' ps
	fails 5 'no memd at memd.sock/x:' -s memd.sock/x ps
	fails 5 'no memd at ./h:1:' -s ./h:1 ps
	fails 5 "another host's memd is at tcp://127.0.0.1:7433" \
		-s 127.0.0.1:7433 ps
}

@test "an address that is none is a usage error" {
	fails 2 'is at tcp://HOST:PORT' -s http://10.0.0.1:77 ps
	fails 2 'pass the @name it listens at' -s embedded:pool_size=64M ps
	fails 2 "'' is no address" -s '' ps
	fails 2 "'unix:' is no address" -s unix: ps
	fails 2 "'@' is no address" -s @ ps
	fails 2 'longer than 107' -s "$(printf '%0108d' 0)" ps
}

@test "over TCP it shows the same" {
	local command
	start_tcp_server ok
	for command in status ps segments stats faults limit config; do
		golden "$command.raw" -o raw "$command"
		golden "$command.json" -o json "$command"
	done
	golden trace-3.raw -o raw trace -n 3
	[[ $("$memctl" status) == *", at $MEMCLIENT_ADDRESS"$'\n'* ]]
	# Settings of programs that use that address make no difference.
	golden ps.raw -s "$MEMCLIENT_ADDRESS?pool_size=64M&store_mirror=192.0.2.1:7433" \
		-o raw ps
	[[ $("$memctl" -s "$MEMCLIENT_ADDRESS?pool_size=1G" status) == \
		*", at $MEMCLIENT_ADDRESS"$'\n'* ]]
}

@test "an address of another host that is none is a usage error" {
	local here=tcp://127.0.0.1:1
	fails 2 'give HOST:PORT' -s tcp:// ps
	fails 2 'give HOST:PORT' -s tcp://127.0.0.1 ps
	fails 2 'give HOST:PORT' -s tcp://::1:7433 ps
	fails 2 "no setting is called 'certificate': tls_ca," \
		-s "$here?certificate=x" ps
	fails 2 'a port is 1 to 65535' -s tcp://127.0.0.1:65537 ps
	fails 2 "'tls_ca' is no setting: write NAME=VALUE" -s "$here?tls_ca" ps
	fails 2 'add ?tls_ca=FILE&tls_certificate=FILE&tls_key=FILE' \
		-s tcp://192.0.2.1:1 ps
	fails 2 'add ?tls_ca=FILE&tls_certificate=FILE&tls_key=FILE' \
		-s 'tcp://192.0.2.1:1?insecure_tcp=no' ps
	fails 2 "$here: tls_ca: ca.pem: cannot be read: No such file" \
		-s "$here?tls_ca=ca.pem&tls_certificate=c.pem&tls_key=c.key" ps
	mkfifo fifo
	fails 2 "$here: tls_ca: fifo: not a regular file, but a FIFO" \
		-s "$here?tls_ca=fifo&tls_certificate=c.pem&tls_key=c.key" ps
	fails 2 "$here: tls_ca: TLS wants a CA certificate too" \
		-s "$here?tls_key=c.key" ps
	fails 2 'too long' -s "$here?tls_ca=$(printf '%02048d' 0)" ps
}

@test "another host that does not answer well is told of" {
	start_tcp_server silent
	fails 5 "memd at $MEMCLIENT_ADDRESS did not answer within 200 ms" \
		--timeout 200ms ps
	start_tcp_server garbage
	fails 5 'unless in TLS (add tls_ca, tls_certificate and tls_key)' ps
	start_tcp_server close
	fails 5 "memd at $MEMCLIENT_ADDRESS closed the connection" status
	stop_server
	wait_until 'nobody to listen' fails 5 \
		"nobody listens at $MEMCLIENT_ADDRESS: start memd there" ps
}

@test "who may not connect is told so" {
	local private
	start_server ok
	chmod 700 . memd.sock
	if [ "$(id -u)" -ne 0 ]; then
		chmod 0 memd.sock
		fails 6 'not allowed to connect' ps
		return
	fi
	# Somebody else, who cannot reach into the folder; nor, perhaps, to
	# the build, so memctl comes along.
	private=$(mktemp -d)
	chmod 755 "$private"
	cp "$memctl" "$private/memctl"
	run -6 setpriv --reuid=65534 --regid=65534 --clear-groups \
		env MEMCLIENT_ADDRESS="$PWD/memd.sock" "$private/memctl" ps
	rm -r "$private"
	[[ $output == "memctl: not allowed to connect"* ]]
}

@test "memd's refusals are shown as it words them" {
	local command
	start_server denied
	put_order >order
	for command in status ps segments 'maps 1' stats iostat faults trace evict \
		'unlink a' 'disconnect s1' 'drop-guest -y 1' limit 'limit set -p 1 -f 1' config 'replay order'; do
		# shellcheck disable=SC2086 # several words
		fails 6 'only root and members of group memd' $command
	done
	start_server unknown
	fails 1 'this memd is older than memctl' stats
	start_server full
	fails 1 'too many sessions: raise sessions_max' ps
	start_server version
	fails 5 'memctl speaks protocol 1, memd 2' ps
}

@test "what does not exist has its own exit status" {
	start_server ok
	fails 7 'no session of process 99' maps 99
	fails 7 'no segment is called gone' unlink gone
	fails 7 'no guest 5 is here' drop-guest --yes 5
	fails 7 "no counter matches 'nothing'" stats nothing
	fails 7 "no key 'pool'" config pool
}

@test "replay refuses what is no order, with the line, before it asks" {
	start_server ok
	printf 'memd-order 1\nwords\t1\t1\nwords\t1\n' >order
	fails 1 'order:3: ' replay order
	echo 'words 1' >order
	fails 1 'order:1: not made by `memctl trace --save`' replay order
	fails 1 'nowhere: No such file' replay nowhere
	fails 1 'Is a directory' replay .
	printf 'memd-order 1\ngone\t1\t1\n/3\t1\t1\n' >order
	run -7 --separate-stderr "$memctl" replay order
	[[ $stderr == 'memctl: none of these segments is there'* ]]
	[ "${#lines[@]}" -eq 3 ]
	printf 'memd-order 1\n/2\t1\t1\n/3\t1\t1\n' >order
	run -7 --separate-stderr "$memctl" replay order
	[[ $stderr == 'memctl: all of these segments are private'* ]]
	[ "${#lines[@]}" -eq 3 ]
	"$memctl" status >/dev/null
	[ "$(grep -c REPLAY requests)" -eq 1 ]
	printf 'memd-order 1\n' >order
	"$memctl" replay order
}

@test "replay asks for a long run piece by piece, and says so to a terminal" {
	start_server ok
	printf 'memd-order 1\nwords\t0\t20000\nwords\t30000\t1\n' >order
	golden replay-long.raw -o raw replay order
	sed -n 's/^replay name=//p' requests >asked
	diff - asked <<-END
		words 0+8192 ranges=1
		words 8192+8192 ranges=1
		words 16384+3616 30000+1 ranges=2
	END
	on_terminal 80 "'$memctl' replay order" >out
	grep -q '16384 of 20001 pages' out
	"$memctl" replay order >out 2>err
	[ ! -s err ]
}

@test "trace --save says at once that it cannot write" {
	start_server ok
	fails 1 'cannot write nowhere/order: No such file' \
		trace --save nowhere/order
	fails 1 'cannot write .: it is no regular file' trace --save=.
	fails 1 'it is no regular file' trace --save /dev/null
	"$memctl" status >/dev/null
	[ "$(grep -c TRACE requests)" -eq 0 ]
}

@test "a server that is no memd, or breaks off, is told from one" {
	start_server garbage
	fails 5 'is that memd?' ps
	start_server other-version
	fails 5 'speaks protocol 7, memctl 1' ps
	start_server mixed-up
	fails 5 'an answer to something else' ps
	start_server malformed
	fails 5 'an answer makes no sense' status
	start_server oversized
	fails 5 'a message too long' status
	start_server truncated
	fails 5 'closed the connection' status
	start_server close
	fails 5 'closed the connection' status
}

@test "a server that does not answer is waited for no longer than asked" {
	start_server silent
	fails 5 'did not answer within 200 ms' --timeout 200ms ps
	start_server mute
	fails 5 'did not answer within 200 ms' ps --timeout=200
	fails 5 'did not answer within 200 ms' evict --timeout 200ms
}

@test "trace ends with memd" {
	start_server trace-ends
	run -5 --separate-stderr "$memctl" -o raw trace
	[ "${#lines[@]}" -eq 3 ]
	[[ $stderr == "memctl: memd at memd.sock closed the connection"* ]]
}

@test "wrong command lines are usage errors that say what is right" {
	fails 2 'no command given' </dev/null
	fails 2 "no command 'bogus'" bogus
	fails 2 "no command 'bogus'" help bogus
	fails 2 'leave out --output' doctor -o json
	refuses "unrecognized option '--bogus'" ps --bogus
	refuses 'Too many arguments' ps 12
	refuses 'Too many arguments' maps 12 13
	refuses 'whose?' maps
	refuses 'which segment?' unlink
	refuses 'at most 255 bytes' unlink "$(printf '%0256d' 0)"
	refuses 'which guest?' drop-guest
	refuses "'s3' is no ID of a guest" drop-guest s3
	refuses "'0' is no ID of a guest" drop-guest --yes 0
	refuses 'Too many arguments' drop-guest 3 4
	refuses 'whom?' disconnect
	refuses 'Too many arguments' disconnect s1 s2
	refuses "'1x' is no process id" maps 1x
	refuses "'0' is no process id" maps 0
	refuses "'-' is no process id" trace -
	refuses "'99999999999' is no process id" evict 99999999999
	refuses "'s0' is no process id, and no session" maps s0
	refuses "'s4294967296' is no process id" trace s4294967296
	refuses "'s1x' is no process id" evict s1x
	refuses "'s' is no process id" limit set --pid s --frames 1
	refuses "'much' is no size" evict --bytes much
	refuses 'evict more than 0' evict --bytes 0
	refuses "'0' is no count" trace --count 0
	refuses "'-1' is no count" trace --count=-1
	refuses "'1x' is no count" trace --count=1x
	refuses "'0' is no interval" iostat 0
	refuses "'soon' is no interval" iostat soon
	refuses "'-1' is no interval" iostat -- -1
	refuses "'0' is no count" iostat 1 0
	refuses 'Too many arguments' iostat 1 2 3
	refuses 'of what?' replay
	refuses 'Too many arguments' replay a b
	refuses "cannot sort by 'name'" ps --sort name
	refuses "unknown output format 'xml'" -o xml ps
	refuses "'soon' is no time" --timeout soon ps
	refuses 'whose limit?' limit set --frames 1
	refuses 'whose limit?' limit set --pid 1 --uid 0 --frames 1
	refuses 'which limit?' limit set --pid 1
	refuses 'leave out --frames' limit set --pid 1 -d --frames 1
	refuses "'99999999999' is no user" limit set -u 99999999999 -f 1
	refuses "'no such user' is no user" limit set -u 'no such user' -f 1
	refuses "'x' is no session" limit set --session x --frames 1
	refuses "'s' is no session" limit set --session s --frames 1
	refuses 'no session 0' limit set --session 0 --frames 1
	refuses "'lots' is no size" limit set --pid 1 --frames lots
	refuses 'Too many arguments' limit show
}

# ---- pipes, files, terminals, signals

@test "a reader that stops reading is no error" {
	local codes
	start_server many
	"$memctl" ps 2>err | head -n 1 >out
	codes=("${PIPESTATUS[@]}")
	[ "${codes[0]}" -eq 0 ]
	[ ! -s err ]
	grep -q '^ *PID ' out
	"$memctl" -o json ps 2>err | head -c 1 >out
	codes=("${PIPESTATUS[@]}")
	[ "${codes[0]}" -eq 0 ]
	[ ! -s err ]
	timeout 60 "$memctl" -o raw trace 2>err | head -n 2 >out
	codes=("${PIPESTATUS[@]}")
	[ "${codes[0]}" -eq 0 ]
	[ "$(wc -l <out)" -eq 2 ]
}

@test "trace notices that its reader has gone though no fault comes" {
	start_server ok
	# The events come at once; then there is silence.
	timeout 60 "$memctl" -o raw trace 2>err | head -n 1 >out
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

@test "output that cannot be written is an error" {
	start_server many
	run -1 bash -c "'$memctl' ps >/dev/full"
	[[ $output == "memctl: cannot write the output"* ]]
	start_server ok
	run -1 bash -c "'$memctl' status >/dev/full"
	[[ $output == *"No space left on device"* ]]
}

@test "trace ends with a signal, all lines out" {
	local signal pid
	start_server ok
	for signal in INT TERM; do
		rm -f out err
		mkfifo out
		"$memctl" -o raw trace >out 2>err 3>&- &
		pid=$!
		exec 4<out
		for _ in 1 2 3 4 5 6; do
			read -r _ <&4
		done
		kill -"$signal" "$pid"
		wait_exit "$pid" 'trace to end'
		run -1 read -r _ <&4
		exec 4<&-
		grep -q '^6 faults shown' err
	done
}

@test "tables fit the terminal; elsewhere they are whole" {
	start_server many
	on_terminal 50 "'$memctl' ps" >out
	head -n 3 out
	run ! grep -E '.{51}' out
	on_terminal 120 "'$memctl' ps" | head -n 2 | grep 'one of many'
	start_server ok
	on_terminal 40 "'$memctl' stats" >out
	cat out
	run ! grep -E '.{41}' out
	on_terminal 80 "'$memctl' status" >out
	run ! grep -E '.{81}' out
	"$memctl" stats | grep -q 'Faults that found a page never touched before$'
}

@test "colours only on a terminal, and not with NO_COLOR" {
	local escape=$'\033['
	start_server degraded
	on_terminal 80 "'$memctl' status" | grep -qF "${escape}31mdegraded"
	on_terminal 80 "'$memctl' status" | grep -q '3 slots failed'
	on_terminal 80 "NO_COLOR=1 '$memctl' status" >plain
	on_terminal 80 "TERM=dumb '$memctl' status" >>plain
	"$memctl" status >>plain
	[ "$(grep -c degraded plain)" -eq 3 ]
	run ! grep -F "$escape" plain
}

# ---- help, manual, completion

@test "every command explains itself, and memctl(1) explains it" {
	local command page=$repo/deploy/man/memctl.1
	"$memctl" help | sed -n 's/^  \([a-z-]*\) .*/\1/p' >commands
	[ "$(wc -l <commands)" -eq 19 ]
	while read -r command; do
		"$memctl" "$command" --help >by_option
		grep -q '^Usage: memctl '"$command" by_option
		"$memctl" help "$command" | cmp - by_option
		grep -q "^\.It Cm $command\>" "$page"
	done <commands
	"$memctl" limit set --help | grep -q 'Usage: memctl limit set'
	[ "$("$memctl" --version)" = "memctl $("$memctl" -o raw version |
		sed -n 's/^version\t//p')" ]
}

@test "memctl(1) is a correct page and has every option" {
	local option
	mandoc -T lint -W warning "$repo/deploy/man/memctl.1"
	{ "$memctl" limit set --help
	"$memctl" help | sed -n 's/^  \([a-z-]*\) .*/\1/p' |
		while read -r command; do
			"$memctl" "$command" --help
		done; } | grep -oE -- '--[a-z]+' | sort -u >options
	while read -r option; do
		grep -q "Fl .*-${option#--}\\>" "$repo/deploy/man/memctl.1" ||
			{ echo "$option"; false; }
	done <options
}

# complete LINE: the candidates for the word at its end.
complete_line() {
	local line=$1 COMP_CWORD COMP_WORDS COMPREPLY=()

	# As bash cuts it: "=" is a word of its own.
	read -ra COMP_WORDS <<<"${line//=/ = }"
	[[ $line != *' ' ]] || COMP_WORDS+=('')
	COMP_WORDS[0]=$memctl
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_memctl
	echo "${COMPREPLY[@]}"
}

@test "completion knows commands, options and values" {
	# shellcheck source=../../deploy/completion/memctl
	. "$repo/deploy/completion/memctl"
	complete -p memctl
	[ "$(complete_line 'memctl ')" = "$("$memctl" help |
		sed -n 's/^  \([a-z-]*\) .*/\1/p' | xargs)" ]
	[ "$(complete_line 'memctl st')" = "status stats" ]
	[ "$(complete_line 'memctl -o json fa')" = faults ]
	[ "$(complete_line 'memctl --output=')" = "table json raw" ]
	[ "$(complete_line 'memctl --output=j')" = json ]
	[ "$(complete_line 'memctl ps --output r')" = raw ]
	[ "$(complete_line 'memctl ps --so')" = "--socket= --sort=" ]
	[ "$(complete_line 'memctl ps --sort=f')" = faults ]
	[ "$(complete_line 'memctl limit ')" = set ]
	[ "$(complete_line 'memctl limit set --fr')" = --frames= ]
	[ "$(complete_line 'memctl limit set --frames=')" = none ]
	[ "$(complete_line 'memctl help tr')" = trace ]
	[ "$(complete_line 'memctl status ')" = '' ]
	[ "$(complete_line 'memctl status --w')" = '--wait ' ]
	touch an-order
	[ "$(complete_line 'memctl replay an-')" = an-order ]
	[ "$(complete_line 'memctl trace --save=an-')" = an-order ]
}

@test "completion offers every option there is" {
	local command options
	# shellcheck source=../../deploy/completion/memctl
	. "$repo/deploy/completion/memctl"
	for command in status ps segments maps guests stats iostat faults \
		trace replay \
		evict unlink disconnect drop-guest limit config doctor help version; do
		options=$("$memctl" "$command" --help |
			grep -oE -- '^ .{0,6}--[a-z]+=?' | grep -oE -- '--.*' |
			sort | paste -sd ' ')
		[ "$(complete_line "memctl $command --" | tr -s ' ' '\n' |
			sort | paste -sd ' ')" = "$options" ] ||
			{ echo "$command: $options"; false; }
	done
}

@test "completion asks memd for processes, settings and counters" {
	start_server ok
	# shellcheck source=../../deploy/completion/memctl
	. "$repo/deploy/completion/memctl"
	[ "$(complete_line 'memctl maps ')" = "1201 977" ]
	[ "$(complete_line 'memctl limit set --pid=9')" = 977 ]
	start_server guests
	[ "$(complete_line 'memctl maps ')" = "1201 977 s12 s13 s14" ]
	start_server ok
	[ "$(complete_line 'memctl unlink ')" = words ]
	[ "$(complete_line 'memctl drop-guest ')" = '3 4' ]
	[ "$(complete_line 'memctl config lo')" = log_level ]
	[ "$(complete_line 'memctl stats w')" = write_time ]
	MEMCLIENT_ADDRESS=nowhere
	[ "$(complete_line 'memctl maps ')" = '' ]
	[ "$(complete_line 'memctl --socket=memd.sock maps ')" = "1201 977" ]
}

# ---- doctor

# A memd whose check ends with $1.
make_memd() {
	mkdir -p bin
	printf '#!/bin/sh\necho "$0 $*"\nexit %s\n' "$1" >bin/memd
	chmod +x bin/memd
}

@test "doctor runs memd --check and passes its exit status on" {
	start_server ok
	make_memd 0
	PATH=$PWD/bin:$PATH run -0 "$memctl" doctor
	[ "${lines[0]}" = "$PWD/bin/memd --check" ]
	[ "${lines[1]}" = "ok    daemon: memd 9.8.7 answers at memd.sock" ]
	[[ ${lines[2]} == "warn  cgroups: 1 sessions "*"(s3: 96.0M, "*128.0M*"docker update --memory"* ]]
	[ "${#lines[@]}" -eq 3 ]
	make_memd 9
	PATH=$PWD/bin:$PATH run -9 "$memctl" doctor --config my.conf
	[ "${lines[0]}" = "$PWD/bin/memd --check --config my.conf" ]
	stop_server
	PATH=$PWD/bin:$PATH run -9 "$memctl" doctor
	[[ ${lines[1]} == "FAIL  daemon: nobody listens at memd.sock"* ]]
	make_memd 0
	PATH=$PWD/bin:$PATH run -5 "$memctl" doctor
}

@test "doctor does not complain of what it may not, or cannot, see" {
	make_memd 0
	start_server empty
	PATH=$PWD/bin:$PATH run -0 "$memctl" doctor
	[ "${#lines[@]}" -eq 2 ]
	start_server denied
	PATH=$PWD/bin:$PATH run -0 --separate-stderr "$memctl" doctor
	[ "${#lines[@]}" -eq 2 ]
	[ -z "$stderr" ]
}

@test "doctor keeps the address of programs from memd" {
	start_server ok
	mkdir -p bin
	printf '#!/bin/sh\necho "socket ${MEMD_SOCKET-unset}"\n' >bin/memd
	chmod +x bin/memd
	MEMD_SOCKET=memd.sock PATH=$PWD/bin:$PATH run -0 "$memctl" doctor
	[ "${lines[0]}" = "socket unset" ]
	[ "${lines[1]}" = "ok    daemon: memd 9.8.7 answers at memd.sock" ]
}

@test "doctor finds the memd that was installed with it first" {
	start_server ok
	mkdir -p root/bin root/sbin
	cp "$memctl" root/bin/memctl
	make_memd 9
	cp bin/memd root/sbin/memd
	make_memd 0
	PATH=$PWD/bin:$PATH run -9 root/bin/memctl doctor
	cp bin/memd root/bin/memd
	run -0 root/bin/memctl doctor
	[[ ${lines[0]} == *root/bin/memd* ]]
}

@test "doctor without a memd says so" {
	start_server ok
	cp "$memctl" ./memctl
	PATH=$PWD run -127 ./memctl doctor
	[[ $output == *"cannot run memd: install it"* ]]
	[[ $output == *"ok    daemon"* ]]
}
