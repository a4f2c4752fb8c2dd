#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that deploy/quickstart.sh works for every user, nobody and users whom
# the user namespace does not know included, and that it ends, with the reason
# and with what memd said, whatever memd does: it never waits for ever, and
# neither does tests/waiting.sh, which all scripts wait with.
#
# It sorts 1 MiB.  The programs are those of MEMD_BUILD_DIR: what stands for
# cmake here copies them instead of building them.

setup() {
	local file

	: "${MEMD_BUILD_DIR:?the build folder to test}"
	repo=$BATS_TEST_DIRNAME/../..
	here=$(mktemp -d /var/tmp/mq.XXXXXX)
	mkdir -p "$here/tree/deploy" "$here/tree/tests" "$here/bin" "$here/tmp" \
		"$here/coverage"
	cp "$repo/deploy/quickstart.sh" "$repo/deploy/packages.txt" \
		"$here/tree/deploy"
	cp "$repo"/tests/{disk,packages,waiting}.sh "$here/tree/tests"
	ln -s tree/deploy/quickstart.sh "$here/quickstart"
	# Whoever tries it may read it.
	for file in daemon/memd client/memctl/memctl examples/bigsort; do
		cp "$MEMD_BUILD_DIR/$file" "$here/bin"
	done
	cp -P "$MEMD_BUILD_DIR"/client/libmemclient.so* "$here/bin"
	write_script cmake "mkdir -p build/quickstart/{daemon,client/memctl,examples}
		cp '$here/bin/memd' build/quickstart/daemon
		cp '$here/bin/memctl' build/quickstart/client/memctl
		cp '$here/bin/bigsort' build/quickstart/examples"
	write_script dpkg-query 'printf installed'
	chmod -R a+rX "$here"
	chmod a+rwx "$here" "$here/tree" "$here/tmp" "$here/coverage"
}

teardown() {
	rm -rf -- "$here"
}

# For waits that are in vain.
hurry() {
	sed -i 's/^wait_seconds=.*/wait_seconds=1/' \
		"$here/tree/tests/waiting.sh"
}

# write_script NAME TEXT: in place of the program of that name.
write_script() {
	printf '#!/bin/bash\n%s\n' "$2" >"$here/bin/$1"
	chmod 755 "$here/bin/$1"
}

# quickstart [COMMAND...]: with COMMAND before it.
quickstart() {
	run timeout -k 5 300 "$@" env -u HOME TMPDIR="$here/tmp" \
		PATH="$here/bin:$PATH" LD_LIBRARY_PATH="$here/bin" \
		GCOV_PREFIX="$here/coverage" \
		"$here/tree/deploy/quickstart.sh" -t 1 -p 1M
	echo "$output"
	[ -z "$(ls "$here/tmp")" ]
}

works() {
	quickstart "$@"
	! grep 'does not let memd run' <<<"$output" ||
		skip 'the kernel does not let memd run'
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = 'quickstart: OK' ]
}

# fails TEXT: with the line "quickstart: TEXT..." before the last one.
fails() {
	quickstart
	[ "$status" -eq 1 ]
	[ "${lines[-1]}" = 'quickstart: FAILED' ]
	[[ ${lines[-2]} == "quickstart: $1"* ]]
}

@test "it works" {
	works
}

@test "it works as user nobody" {
	[ "$(id -u)" -eq 0 ] || skip 'needs root, to be somebody else'
	works setpriv --reuid=65534 --regid=65534 --clear-groups
}

@test "it works as a user whom the user namespace does not know" {
	unshare -U true || skip 'no user namespaces here'
	works unshare -U
}

@test "it ends when memd is there and refuses" {
	write_script memd 'echo it has started; exec sleep 100'
	write_script memctl 'echo memctl: you are not served >&2; exit 6'
	fails 'memd did not start'
	grep 'memd is there and refuses: memctl: you are not served' \
		<<<"$output"
	grep '^    it has started' <<<"$output"
}

@test "it ends when memd never answers" {
	hurry
	write_script memd 'echo it has started; exec sleep 100'
	write_script memctl 'echo memctl: nobody listens >&2; exit 5'
	fails 'memd did not start'
	grep 'in vain for memd to answer; it says: memctl: nobody listens' \
		<<<"$output"
	grep '^    it has started' <<<"$output"
}

@test "it ends when memd does" {
	write_script memd 'echo it cannot; exit 1'
	fails 'memd did not start'
	grep 'memd ended with status 1' <<<"$output"
	grep '^    it cannot' <<<"$output"
}

@test "it ends when memd does not" {
	hurry
	write_script memd "trap '' TERM
		while :; do sleep 0.1; done"
	write_script memctl 'exit 0'
	write_script bigsort 'echo it cannot >&2; exit 1'
	quickstart
	[ "$status" -eq 1 ]
	grep 'quickstart: bigsort ended with status 1' <<<"$output"
	grep 'in vain for process [0-9]* to end' <<<"$output"
}

@test "it says where it cannot write" {
	[ "$(id -u)" -eq 0 ] || skip 'needs root, to be somebody else'
	chmod 755 "$here/tree"
	quickstart setpriv --reuid=65533 --regid=65533 --clear-groups
	[ "$status" -eq 1 ]
	[[ ${lines[-2]} == "quickstart: cannot write in $here/tree/build"* ]]
}

@test "a wait for what never is ends, and says for what" {
	# shellcheck source=../waiting.sh
	. "$repo/tests/waiting.sh"
	export wait_seconds=1
	run wait_until 'the moon' bash -c 'echo it is day; false'
	[ "$status" -eq 1 ]
	[ "$output" = \
		'waited 1 s in vain for the moon; it says: it is day' ]
	sleep 100 3>&- &
	run wait_while_alive $! 'the moon' false
	[ "$status" -eq 1 ]
	local pid=$!
	kill "$pid"
	run wait_while_alive "$pid" 'the moon' false
	[ "$status" -eq 2 ]
	bash -c "trap '' TERM; while :; do sleep 0.1; done" 3>&- &
	if wait_exit $! 'a shell to end' || kill -0 $!; then
		return 1
	fi
	(exit 7) &
	wait_exit $! 'a shell to end' || [ $? -eq 7 ]
}
