/* SPDX-License-Identifier: MIT */
/* Every value that memd counts: its name and the help text that `memctl stats`
 * shows, and where it is stored.
 *
 *   STAT(name, unit, help)		a counter of the daemon
 *   LEVEL(name, unit, help)		a gauge of the daemon
 *   PAGER(name, kind, unit, help)	a field of struct pager_stats
 *   STORE(name, kind, unit, help)	a field of struct swapstore
 *
 * kind: a COUNTER only grows, a GAUGE goes up and down.
 *
 * Included several times; no include guard. */

STAT(sessions_opened, "", "Programs that connected")
STAT(sessions_closed, "", "Programs that left or were disconnected")
STAT(sessions_refused, "", "Connections refused at the handshake")
STAT(protocol_errors, "", "Connections closed for malformed messages")
STAT(slow_readers, "", "Connections closed because they did not read")
STAT(timeouts, "", "Connections closed for half a message or no Hello")
LEVEL(mailboxes, "", "Mailboxes that programs have open")
STAT(mailbox_requests, "", "Messages taken out of mailboxes")
STAT(mailbox_rings, "", "Times a program woke memd for its mailbox")
STAT(bells_rung, "", "Of these by the mailbox's bell, not by a message")
STAT(messages_in, "", "Messages received, in mailboxes too")
STAT(messages_delayed, "",
     "Times a program's messages waited for the next turn of the loop")
STAT(messages_out, "", "Messages sent, not those in mailboxes")
STAT(bytes_in, "bytes", "Bytes received")
STAT(bytes_out, "bytes", "Bytes sent")
STAT(sends, "", "System calls that sent them")
STAT(faults_asked, "pages", "Pages asked for by Fault messages")
STAT(faults_refused, "pages",
     "Of these refused: too many at once, or page not attached")
STAT(pages_mapped, "pages",
     "Pages mapped where they were touched (embedded memd)")
STAT(faults_one_sided, "pages", "Pages that programs brought in without memd")
STAT(faults_minor, "", "Faults that clients served alone")
STAT(ages_sent, "pages", "Pages that clients were asked to unmap")
STAT(ages_dropped, "pages", "Such requests dropped: the client does not read")
STAT(readies_sent, "pages", "Pages that clients were told were read ahead")
STAT(readies_dropped, "pages", "Of these not told: the client does not read")
STAT(trace_dropped, "", "Trace events that a reader was too slow for")
STAT(replays, "", "Requests of memctl to replay a part of a file")
STAT(replayed_pages, "pages", "Pages that they asked for")
STAT(segments_spoiled, "", "Segments whose data file was changed past memd")
STAT(segments_locked, "",
     "Times that a client kept a data file locked for seconds")
LEVEL(guests, "", "Guests: other hosts whose pages are kept here")
STAT(guests_opened, "", "Guests that came anew")
STAT(guests_resumed, "", "Guests that came back to their pages")
STAT(guests_expired, "", "Guests that did not come back within guest_keep")
STAT(guest_reads, "", "Reads of guests answered")
STAT(guest_writes, "", "Writes of guests answered")
STAT(guest_discards, "", "Discards of guests done")
STAT(guest_read_bytes, "bytes", "Bytes that guests read")
STAT(guest_written_bytes, "bytes", "Bytes that guests wrote")
STAT(memory_failures, "", "Replies cut off: the memory they were in failed")
STAT(guests_refused, "", "Connections of other hosts refused")
STAT(tls_refused, "", "Of these in the TLS handshake")
STAT(reloads, "", "Configurations reloaded")
STAT(reload_errors, "", "Configurations refused at a reload")
STAT(helpers_renewed, "",
     "Helper processes started in place of ones that had ended")
STAT(log_dropped, "", "Lines of the log dropped because nobody read it")

PAGER(frame_count, GAUGE, "pages", "Frames of the pool")
PAGER(free_frames, GAUGE, "pages", "Frames that are free")
PAGER(resident_frames, GAUGE, "pages", "Frames with a page in them")
PAGER(evicting_frames, GAUGE, "pages", "Frames on their way out")
PAGER(loading_frames, GAUGE, "pages", "Frames being read into")
PAGER(lent_frames, GAUGE, "pages", "Frames lent to programs")
PAGER(pinned_frames, GAUGE, "pages", "Frames that clients have pinned")
PAGER(low_watermark, GAUGE, "pages", "Eviction starts below this many free")
PAGER(high_watermark, GAUGE, "pages", "Eviction stops at this many free")
PAGER(slot_count, GAUGE, "pages", "Slots of the swap store")
PAGER(free_slots, GAUGE, "pages", "Slots that are free")
PAGER(quarantined_slots, GAUGE, "pages", "Slots given up after a failed write")
PAGER(committed_units, GAUGE, "pages", "4 KiB pages promised to segments")
PAGER(commit_limit_units, GAUGE, "pages", "4 KiB pages that can be promised")
PAGER(faults_waiting, GAUGE, "", "Faults not answered yet")
PAGER(claims_refused, COUNTER, "pages",
      "Pages that stayed because a program was faulting them in")
PAGER(slots_filled, COUNTER, "pages", "Slots written to make files readable")
PAGER(faults_waited, COUNTER, "", "Faults that had to wait for a frame")
PAGER(frames_examined, COUNTER, "",
      "Frames looked at in search of one to evict")
PAGER(aged, COUNTER, "pages", "Pages whose reference bit was cleared")
PAGER(evicted, COUNTER, "pages", "Pages evicted")
PAGER(evicted_clean, COUNTER, "pages", "Of these unchanged: nothing written")
PAGER(evicted_zero, COUNTER, "pages", "Of these all zero: no slot needed")
PAGER(written, COUNTER, "pages", "Pages written to the swap store")
PAGER(pages_read, COUNTER, "pages", "Pages read from the swap store")
PAGER(readahead_pages, COUNTER, "pages",
      "Pages read, or zeroed, ahead of a reader")
PAGER(readahead_hits, COUNTER, "pages", "Of these used afterwards")
PAGER(readahead_wasted, COUNTER, "pages",
      "Of these not known to have been used")
PAGER(write_errors, COUNTER, "", "Failed writes to the swap store")
PAGER(read_errors, COUNTER, "", "Failed reads from the swap store")
PAGER(checksum_errors, COUNTER, "", "Pages read with a wrong checksum")
PAGER(pages_lost, COUNTER, "pages", "Pages whose bytes are gone")
PAGER(install_retries, COUNTER, "",
      "Installs that the system had no memory for")
PAGER(capture_errors, COUNTER, "", "Evictions that the system refused")
PAGER(captures_late, COUNTER, "",
      "Evictions whose hole punch memd did not wait for")
PAGER(minor_reported, COUNTER, "pages", "Pages clients reported as touched")
PAGER(metadata_bytes, GAUGE, "bytes", "Memory of the pager's tables")

STORE(reads, COUNTER, "", "Read requests of the swap store")
STORE(writes, COUNTER, "", "Write requests of the swap store")
STORE(read_bytes, COUNTER, "bytes", "Bytes read from the swap store")
STORE(write_bytes, COUNTER, "bytes", "Bytes written to the swap store")
STORE(refused, COUNTER, "",
      "Requests that the kernel had no thread or memory for; memd waited")
STORE(in_flight, GAUGE, "", "Requests under way")
