# SPDX-License-Identifier: MIT
# Makes performance.json, for run.sh, of the machine and of a line of JSON for
# each run: every figure's median over the rounds, the smallest and the largest;
# and the same of its ratio to the other build's in the same round ("against").
# null: not known.  Keys are stable: new ones may come, no meaning changes.

def spread: map(values) | sort | length as $n | {
	median: (if $n == 0 then null else
		 (.[($n - 1) / 2 | floor] + .[$n / 2 | floor]) / 2 end),
	min: .[0], max: .[-1] };

# Lists of what has the same f, in the order of their first.
def lists(f): reduce .[] as $one ({}; .[$one | f | tojson] += [$one]) | [.[]];

# Program and daemon together: all_cpu_s is client_cpu_s and daemon_cpu_s.
def with_sums: .figures |= (. as $all | . + with_entries(
	select(.key | test("^client_")) | $all["daemon_" + .key[7:]] as $more |
	.key = "all_" + .key[7:] |
	.value = if .value == null or $more == null then null
		 else .value + $more end));

def spreads: map(.figures) | . as $all | .[0] | with_entries(.key as $key |
	.value = ($all | map(.[$key]) | spread));

def ratio($to): with_entries($to[.key] as $other |
	.value = if .value == null or $other == null or $other == 0 then null
		 else .value / $other end);

def against: group_by(.round) | map(select(length == 2) |
	sort_by(.run.build) | .[0].figures as $other | .[1] |
	.figures |= ratio($other));

def rank: .on as $on | .cpus,
	(["inline", "thread", "kernel-0", "kernel-3", "zram"] | index($on)),
	.build != "this";

[inputs] as $lines | [$lines[] | select(.run) | with_sums] as $runs |
([$lines[] | .machine | values][0]) as $machine |
{
	benchmark: "paging", version: 4, $machine,
	left_out: (([$lines[] | .left_out | values] | unique) +
		($runs | map(select(.figures.killed == 1)) | lists(.run) |
		 map("\(.[0].run.job) on \(.[0].run.on): \(length) runs " +
		     "killed, as the kernel found no memory to free"))),
	settings: ([$lines[] | .settings | values][0]),
	results: ($runs | lists(.run.job) | map(
		lists(.run) | sort_by(.[0].run | [rank])[] |
		.[0].run + spreads)),
	against: ($runs | lists(.run.job) | map(
		lists(.run | del(.build)) | sort_by(.[0].run | [rank])[] |
		against | select(length > 0) |
		(.[0].run | del(.build)) + spreads)),
	remote: ([$lines[] | select(.remote)] | lists(.remote) |
		map(.[0].remote + spreads))
}
