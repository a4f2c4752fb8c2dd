# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by run.sh from the top folder: Debian packages of the sections of
# deploy/packages.txt, asked for and installed.  Installs only what is missing.

# The packages of the sections named.
packages_of() {
	awk -v wanted=" $* " '
		{ sub(/#.*/, "") }
		/^\[/ { gsub(/[][]/, ""); is_in = index(wanted, " " $1 " "); next }
		is_in && NF { print $1 }' deploy/packages.txt
}

packages_missing() {
	local package

	for package in $(packages_of "$@"); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null)" = installed ] || echo "$package"
	done
}

# packages_install SECTION...: status 1, and the command to run, when they are
# missing and we may not install them.
packages_install() {
	local missing apt=(apt-get install -y --no-install-recommends)
	local bounded=(timeout --foreground -k 10 1800)

	if ! command -v dpkg-query >/dev/null; then
		echo "not a Debian: make sure to have what these packages hold:"
		packages_of "$@" | xargs
		return 0
	fi
	mapfile -t missing < <(packages_missing "$@")
	[ "${#missing[@]}" -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "packages are missing; run as root:"
		echo "  apt-get update && ${apt[*]} ${missing[*]}"
		return 1
	fi
	echo "installing: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	"${bounded[@]}" apt-get -q update &&
		"${bounded[@]}" "${apt[@]}" -q "${missing[@]}" && return
	echo "apt-get has failed, or took more than half an hour"
	return 1
}
