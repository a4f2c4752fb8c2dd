# SPDX-License-Identifier: MIT
# Tables of performance.json, for run.sh.  $part: head, work or remote; $group:
# only these rows of work (empty: all); $form: text (cells with tabs between
# them, for column(1)) or markdown.

def pad($digits): if length <= $digits then
	"0" * ($digits + 1 - length) + . else . end;
def fixed($digits): (. * pow(10; $digits) | round | tostring | pad($digits)) |
	.[:-$digits] + "." + .[-$digits:];
def in_groups: length as $n | if $n <= 3 then . else
	(.[:$n - 3] | in_groups) + " " + .[$n - 3:] end;

# Three digits that count, and large numbers as "1 234 567".
def number: if . == null then "–" elif . < 10 then fixed(2)
	elif . < 100 then fixed(1) else round | tostring | in_groups end;
def mib: . / 1048576;

def titles: { "inline": "memd inline", "thread": "memd thread",
	"kernel-0": "kernel pc 0", "kernel-3": "kernel pc 3",
	"zram": "kernel zram", "tcp": "bare TCP", "memd": "memd" };

# "rand-read 2x, 8 threads"
def job: .work +
	(if .memory_percent <= 100 then ""
	 elif .memory_percent % 100 == 0 then " \(.memory_percent / 100)x"
	 else " \(.memory_percent)%" end) +
	(if .threads > 1 then ", \(.threads) threads" else "" end) +
	(if .processes > 1 then ", \(.processes) processes" else "" end);

# The question of docs/performance.md that a row answers.
def group: .work as $work | if .threads > 1 or .processes > 1 then "many"
	elif $work | test("^(rand|zipf)-") then "random"
	elif $work | IN("first-touch", "fill") then "new-memory"
	elif $work | IN("zero-fault", "minor", "pool-hit") then "no-disk"
	else "in-order" end;

def is_same($a): .work == $a.work and .threads == $a.threads and
	.processes == $a.processes and .memory_percent == $a.memory_percent;

# The kernel's swap to a file at its best: with the vm.page-cluster that gives
# the smaller mean time.
def kernel_of($all): . as $row | [$all[] | select(is_same($row)) |
	select(.on | startswith("kernel-"))] | min_by(.mean_ns.median);

def work: .results as $all |
	["work", "on", "ns an access", "least–most", "p50", "p99", "p99.9",
	 "accesses/s", "faults/s", "CPU µs an access", "MiB in", "MiB out",
	 "× kernel"],
	($all[] | select($group == "" or group == $group) |
	kernel_of($all) as $kernel |
	[job, titles[.on], (.mean_ns.median | number),
	 "\(.mean_ns.min | number)–\(.mean_ns.max | number)"] +
	([.p50_ns.median, .p99_ns.median, .p999_ns.median,
	  .accesses_per_s.median, .faults_per_s.median,
	  (.client_cpu_s.median + .daemon_cpu_s.median) * 1e6 / .accesses,
	  (.read_bytes.median | mib), (.written_bytes.median | mib),
	  (if $kernel == null then null else
	   .accesses_per_s.median / $kernel.accesses_per_s.median end)] |
	 map(number)));

def remote: .remote as $all |
	["read over loopback", "from", "µs each", "p50", "p99", "MiB/s",
	 "× bare TCP"],
	($all[] | .work as $work |
	($all[] | select(.work == $work and .on == "tcp")) as $tcp |
	[$work, titles[.on]] +
	([(.mean_ns.median, .p50_ns.median, .p99_ns.median) / 1000,
	  (.block_bytes | mib) * 1e9 / .mean_ns.median,
	  $tcp.mean_ns.median / .mean_ns.median] | map(number)));

def head: .machine as $m | .settings as $s |
	"\($m.cpus) CPUs, \($m.memory_mib / 1024 | round) GiB, Linux " +
	"\($m.kernel), swap files on \($m.filesystem); load \($m.load) when " +
	"it began." +
	(if $s == null then "" else "\nmemd's store \(.store); " +
	 "\($s.limit_mib) MiB in RAM, \($s.accesses) accesses a run, medians " +
	 "of \($s.repeat)." end) +
	(if $m.is_one_cpu then "\nAll processes on one processor." else "" end) +
	(.left_out | map("\n\(.)") | add // "") +
	(if $s.is_small then "\nSmall sizes and one run: a first look, " +
	 "nothing to judge by."
	 elif $m.load > 0.5 then "\nThe machine was not quiet: do not publish " +
	 "this without saying so." else "" end);

def lines(rows): if $form == "text" then rows | @tsv else
	[rows] | to_entries[] | (.value | "| " + join(" | ") + " |"),
	(select(.key == 0) | .value | "|---|---|" + "--:|" * (length - 2)) end;

if $part == "head" then head
elif $part == "work" then lines(work) else lines(remote) end
