#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Proves that what is installed around the programs is sound and agrees with
# them: units, sample configuration, manuals, scripts, documents.  Looks at
# files only; nothing is installed or started.
#
# Needs MEMD_BUILD_DIR, the build to test.

setup() {
	: "${MEMD_BUILD_DIR:?the build folder to test}"
	memd=${MEMD_BIN:-$MEMD_BUILD_DIR/daemon/memd}
	cd "$BATS_TEST_DIRNAME/../.."
}

needs() {
	command -v "$1" >/dev/null || skip "no $1 here"
}

@test "the service is exposed to 1.5 at most" {
	needs systemd-analyze
	run systemd-analyze security --offline=true --threshold=15 \
		deploy/memd.service
	[ "$status" -eq 0 ]
	[[ "$output" = *"Overall exposure level for memd.service"* ]]
}

@test "the service lets memd make every system call it needs" {
	needs systemd-analyze
	local allowed call
	allowed=$(sed -n 's/^SystemCallFilter=\([^~]\)/\1/p' \
		deploy/memd.service)
	for call in userfaultfd splice memfd_create fallocate \
		io_uring_setup io_uring_enter io_uring_register; do
		is_allowed "$call" $allowed
		if is_allowed "$call" @privileged @resources; then
			echo "$call is taken away again"
			false
		fi
	done
}

# is_allowed CALL NAME...: a name is a call, or a group of names.
is_allowed() {
	local call=$1 name
	shift
	for name in "$@"; do
		[ "$name" != "$call" ] || return 0
		case $name in
		@*) ! is_allowed "$call" $(systemd-analyze syscall-filter \
			"$name" | sed '1d; s/#.*//') || return 0 ;;
		esac
	done
	return 1
}

@test "the sample configuration is what memd --dump-config prints" {
	"$memd" --dump-config | diff -u deploy/memd.conf -
}

@test "memd.conf(5) has every setting with its default and its kind" {
	local key value when
	"$memd" --dump-config | awk '
		/Reloadable\.$/ { when = "reload" }
		/restart\.$/ { when = "restart" }
		/^[a-z]/ { print $1, when, $3 }' >"$BATS_TEST_TMPDIR/keys"
	[ -s "$BATS_TEST_TMPDIR/keys" ]
	while read -r key when value; do
		echo "$key = $value, $when"
		sed 's/ Pa / /' deploy/man/memd.conf.5 | grep -qxF \
			".It Ic $key Ns = ${value:+Ns $value }Pq $when"
	done <"$BATS_TEST_TMPDIR/keys"
	# And no others.
	[ "$(grep -c '^\.It Ic [a-z_]* Ns = ' deploy/man/memd.conf.5)" -eq \
		"$(wc -l <"$BATS_TEST_TMPDIR/keys")" ]
}

@test "memd(8) has every flag that memd --help shows" {
	local flag
	"$memd" --help | grep -oE -- '--[a-z-]+' | sort -u \
		>"$BATS_TEST_TMPDIR/flags"
	[ -s "$BATS_TEST_TMPDIR/flags" ]
	while read -r flag; do
		flag=${flag#--}
		# A setting's flag is its key in memd.conf(5).
		grep -q "^\.It Ic ${flag//-/_} Ns = " deploy/man/memd.conf.5 ||
			grep -qE "^\.It (Fl [^ ]+ , )?Fl -$flag( |\$)" \
				deploy/man/memd.8 || { echo "--$flag"; false; }
	done <"$BATS_TEST_TMPDIR/flags"
}

@test "memclient(3) has every function and option of memclient.h" {
	local word
	for word in $(grep -oE '\bmemclient_[a-z_]+\(' \
		client/include/memclient.h | tr -d '(' | sort -u); do
		[ "$word" = memclient_options ] ||
			grep -q "^\.Nm $word" deploy/man/memclient.3 ||
			{ echo "$word"; false; }
	done
	for word in $(grep -oE 'MEMCLIENT_(ADVICE|FAULT)_[A-Z]+' \
		client/include/memclient.h | sort -u); do
		grep -q "$word" deploy/man/memclient.3 ||
			{ echo "$word"; false; }
	done
}

@test "the manuals are clean" {
	needs mandoc
	local page
	for page in memd.8 memd.conf.5 memctl.1 memclient.3; do
		mandoc -Tlint -W warning "deploy/man/$page"
	done
}

@test "the scripts are clean" {
	needs shellcheck
	shellcheck -x deploy/quickstart.sh deploy/make-certs.sh deploy/reload.sh
}

@test "README.md shows examples/quickstart.c verbatim" {
	awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' \
		README.md | diff -u examples/quickstart.c -
}

@test "the links of the documents lead somewhere" {
	local document target folder
	for document in README.md CHANGELOG.md docs/operations.md; do
		folder=$(dirname "$document")
		for target in $(grep -oE '\]\([^)#]+' "$document" |
			cut -c 3- | grep -v '^https:'); do
			[ -e "$folder/$target" ] ||
				{ echo "$document: $target"; false; }
		done
	done
}
