#!/bin/sh
# SPDX-License-Identifier: MIT
#
# reload.sh MEMCTL PID: have the memd that is process PID reload, and wait for
# the outcome.  Exit status 0: the new settings hold.  1: memd has refused them,
# and why is on stderr; or it could not be asked.
#
# For memd.service: a signal alone succeeds whatever becomes of it.  memctl asks
# the memd that MEMCLIENT_ADDRESS names, or the usual socket; it must be PID.
set -u
memctl=$1 pid=$2
tries=300		# a tenth of a second each

# The value of a counter.
counter() {
	value=$("$memctl" -o raw --timeout=5s stats "$1") || return
	printf '%s\n' "$value" | cut -f 2
}

# What memctl says is on stderr already.
in_vain() {
	echo "reload.sh: $1: look at its log, and set MEMCLIENT_ADDRESS for" \
		"the unit if its socket is another one" >&2
	exit 1
}

# memd says why in its status.
say_refusal() {
	"$memctl" -o raw status | tr '\t' '\n' |
		grep 'last reload was refused' >&2
	exit 1
}

if ! refused=$(counter reload_errors) || ! taken=$(counter reloads); then
	kill -HUP "$pid" || exit 1
	in_vain "memd was told to reload, and could not be asked whether it did"
fi
kill -HUP "$pid" || exit 1
while [ "$tries" -gt 0 ]; do
	now=$(counter reload_errors) && [ "$now" != "$refused" ] && say_refusal
	now=$(counter reloads) && [ "$now" != "$taken" ] && exit 0
	sleep 0.1
	tries=$((tries - 1))
done
in_vain 'memd has not reloaded in half a minute'
