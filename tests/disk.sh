# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced by deploy/quickstart.sh and the bats files.
#
#   swap_dir FOLDER     prints where a memd keeps its swap files: FOLDER, or,
#                       where that is in memory, which memd refuses, /var/tmp.
#                       They have no names, so nothing is left there.

swap_dir() {
	case $(stat -f -c %T -- "$1") in
	tmpfs | ramfs)	echo /var/tmp ;;
	*)		printf '%s\n' "$1" ;;
	esac
}
