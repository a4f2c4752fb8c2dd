# SPDX-License-Identifier: MIT
# Tables of performance.json, for run.sh.  $part: head, foot, work, counts,
# against or remote; $group: only these rows of work and counts (empty: all);
# $form: text (cells with tabs between them, for column(1)) or markdown.

def pad($digits): if length <= $digits then
	"0" * ($digits + 1 - length) + . else . end;
def fixed($digits): (. * pow(10; $digits) | round | tostring | pad($digits)) |
	.[:-$digits] + "." + .[-$digits:];
def in_groups: length as $n | if $n <= 3 then . else
	(.[:$n - 3] | in_groups) + " " + .[$n - 3:] end;

# Three digits that count, and large numbers as "1 234 567".
def number: if . == null then "–" elif . == 0 then "0"
	elif . < 10 then fixed(2) elif . < 100 then fixed(1)
	else round | tostring | in_groups end;
def from_to: "\(.min | number)–\(.max | number)";
def by($a; $b): if $a == null or $b == null then null else $a / $b end;
def mib: by(.; 1048576);

def titles: { "inline": "memd inline", "thread": "memd thread",
	"kernel-0": "kernel pc 0", "kernel-3": "kernel pc 3",
	"zram": "kernel zram", "tcp": "bare TCP", "memd": "memd" };
def title: titles[.on] + (if .build == "other" then ", other" else "" end);
def row: [.job + (if .cpus == "one" then ", 1 CPU" else "" end), title];

# The question of docs/performance.md that a row answers.
def group: .work as $work | if .cpus == "one" then "one-cpu"
	elif .threads > 1 or .processes > 1 then "many"
	elif $work | test("^(rand|zipf)-|^moving") then "random"
	elif $work | test("^hash-|^sort|^scan") then "programs"
	elif $work | IN("first-touch", "fill") then "new-memory"
	elif $work | IN("zero-fault", "minor", "pool-hit") then "no-disk"
	else "in-order" end;

# The kernel's swap to a file at its best: with the vm.page-cluster that gives
# the smaller mean time.
def kernel_of($all): . as $row | [$all[] |
	select(.job == $row.job and .cpus == $row.cpus) |
	select(.on | startswith("kernel-")) |
	select(.mean_ns.median)] | min_by(.mean_ns.median);

def work: .results as $all |
	["work", "on", "ns an access", "least–most", "p50", "p99", "p99.9",
	 "accesses/s", "faults/s", "ns a fault", "CPU µs an access", "MiB in",
	 "MiB out", "in ÷ accessed", "× kernel", "p99 ÷ kernel"],
	($all[] | select($group == "" or group == $group) |
	kernel_of($all) as $kernel |
	row + [(.mean_ns.median | number), (.mean_ns | from_to)] +
	([.p50_ns.median, .p99_ns.median, .p999_ns.median,
	  .accesses_per_s.median, .faults_per_s.median, .fault_ns.median,
	  by(.all_cpu_s.median; .accesses / 1e6),
	  (.swap_in_bytes.median | mib), (.written_bytes.median | mib),
	  by(.swap_in_bytes.median; .accesses * 4096),
	  by(.accesses_per_s.median; $kernel.accesses_per_s.median),
	  by(.p99_ns.median; $kernel.p99_ns.median)] |
	 map(number)));

def counts: { "minor_faults": "minor", "voluntary_switches": "voluntary",
	"involuntary_switches": "involuntary", "syscalls": "syscalls",
	"yields": "yields", "signals": "signals", "copies": "COPY",
	"continues": "CONTINUE", "zaps": "zap", "punches": "punch",
	"shootdowns": "shootdown" };

# A row for the program, one for the daemon, and one for both; of the kernel
# only that.
def counts_of($who): . as $all | .accesses as $accesses | row +
	[{client: "program", daemon: "daemon", all: "both"}[$who]] +
	([(if $who == "daemon" then null else .faults end)] +
	 (counts | keys_unsorted | map($all["\($who)_\(.)"])) +
	 (if $who == "all" then [.disk_reads, .disk_writes]
	  else [null, null] end) |
	 map(by(.median; $accesses / 1000) | number)) +
	[if $who == "daemon" then by(.daemon_asleep.median; 0.01)
	 else null end | number];

def counted: ["a thousand accesses", "on", "of", "faults"] + [counts[]] +
	["disk reads", "disk writes", "% asleep"],
	(.results[] | select($group == "" or group == $group) |
	if .on | IN("inline", "thread") then
		counts_of("client"), counts_of("daemon") else empty end,
	counts_of("all"));

def against: ["this build by the other", "on", "ns an access", "least–most",
	"p99", "CPU", "faults"] + [counts[]] + ["MiB in", "MiB out"],
	(.against[] | . as $all |
	row + [(.mean_ns.median | number), (.mean_ns | from_to)] +
	([.p99_ns, .all_cpu_s, .faults] +
	 (counts | keys_unsorted | map($all["all_" + .])) +
	 [.swap_in_bytes, .written_bytes] | map(.median | number)));

def remote: .remote as $all |
	["read over loopback", "from", "µs each", "p50", "p99", "MiB/s",
	 "× bare TCP"],
	($all[] | .work as $work |
	($all[] | select(.work == $work and .on == "tcp")) as $tcp |
	[$work, title] +
	([(.mean_ns.median, .p50_ns.median, .p99_ns.median) / 1000,
	  (.block_bytes | mib) * 1e9 / .mean_ns.median,
	  $tcp.mean_ns.median / .mean_ns.median] | map(number)));

def head: .machine as $m | .settings as $s |
	"\($m.cpus) CPUs, \($m.memory_mib / 1024 | round) GiB, Linux " +
	"\($m.kernel), swap files on \($m.filesystem); load \($m.load) when " +
	"it began." +
	(if $s == null then "" else "\nmemd's store \($s.store); " +
	 "\($s.limit_mib) MiB in RAM, \($s.accesses) accesses a run, medians " +
	 "of \($s.repeat)." +
	 (if ($s.memd_flags // "") == "" then "" else
	  "  memd with \($s.memd_flags)." end) end) +
	(if $s.is_small then "\nSmall sizes and one run: a first look, " +
	 "nothing to judge by."
	 elif $m.load > 0.5 then "\nThe machine was not quiet: say so where " +
	 "you publish this." else "" end);

def lines(rows): if $form == "text" then rows | @tsv else
	[rows] | to_entries[] | (.value | "| " + join(" | ") + " |"),
	(select(.key == 0) | .value | "|---|---|" + "--:|" * (length - 2)) end;

if $part == "head" then head
elif $part == "foot" then .left_out[]
elif $part == "work" then lines(work)
elif $part == "counts" then lines(counted)
elif $part == "against" then lines(against)
else lines(remote) end
