/* SPDX-License-Identifier: MIT */
/* Every setting of memd.  One row gives the field of struct config, the flag
 * (--pool-size), the environment variable (MEMD_POOL_SIZE), the key of the
 * configuration file (pool_size), and the lines of `memd --help`, of the sample
 * file (`memd --dump-config`) and of `memctl config`.
 *
 *   NUMBER(name, kind, default, least, most, when, help)
 *   TEXT(name, default, when, help)
 *   CHOICE(name, "a|b|c", default, when, help)
 *
 * kind: SIZE (bytes: 64M), COUNT, PERCENT, MS (time: 250ms, 10s), US (time in
 * microseconds, a plain number), MODE (octal permission bits).
 * when: RELOAD (SIGHUP is enough) or RESTART.
 *
 * Included several times; no include guard. */

/* ---- who may connect */
TEXT(socket, "/run/memd/memd.sock", RESTART,
     "Where programs connect: a path, or @name for an abstract socket. "
     "Ignored under systemd socket activation.")
NUMBER(socket_mode, MODE, "0666", 0, 0777, RESTART,
       "Permission bits of the socket: who has write permission may connect.")
TEXT(socket_group, "", RESTART,
     "Group of the socket, a name or a number; empty: memd's own.")
TEXT(admin_group, "memd", RELOAD,
     "Members of this group may administrate (memctl), besides root and the "
     "user memd runs as; empty: nobody else.")
CHOICE(allow_nobody, "no|yes", "no", RELOAD,
       "Serve uid 65534, which also stands for every user that this user "
       "namespace does not know. A memd that runs as nobody serves this uid "
       "if it stands for one user only.")

/* ---- memory */
NUMBER(pool_size, SIZE, "256M", 1 << 20, 1ll << 43, RESTART,
       "Memory for the pages that are in use now, of all clients together.")
TEXT(swap_dir, "/var/lib/memd", RESTART,
     "Folder for the pages that are not in the pool: files without names, made "
     "as memory is mapped, gone when it is unmapped.")
NUMBER(swap_size, SIZE, "1G", 1 << 20, 1ll << 43, RESTART,
       "Most bytes of all files in swap_dir together. Clients can have no more "
       "memory in all, and up to a sixth less. (With store = mem or remote it "
       "is pool_size + swap_size, less an eighth of pool_size that is kept "
       "free.)")
CHOICE(store, "auto|uring|sync|mem|remote", "auto", RESTART,
       "How these files are read and written: uring (io_uring), sync "
       "(threads), auto (uring, else sync), mem (no file: for tests). Or "
       "remote: no file, but the memory of another memd at store_address.")
TEXT(store_address, "", RESTART,
     "The other memd for store = remote: HOST:PORT, [IPV6]:PORT.")
TEXT(store_mirror, "", RESTART,
     "A second memd that keeps every page too; empty: none.")
NUMBER(write_behind, SIZE, "16M", 1 << 20, 1 << 30, RESTART,
       "Most bytes of evicted pages on their way to the other memd.")
NUMBER(low_watermark, PERCENT, "2", 1, 50, RESTART,
       "Start evicting in the background when less of the pool is free.")
NUMBER(high_watermark, PERCENT, "5", 1, 60, RESTART,
       "Stop evicting when this much of the pool is free.")
CHOICE(replacement, "lirs|two-hands", "lirs", RELOAD,
       "Which pages leave the pool first: lirs (pages that are used once do "
       "not push out those used often), two-hands (a clock with two hands).")
NUMBER(readahead, COUNT, "512", 0, 512, RESTART,
       "Most pages read ahead of a program that reads in order; 0: none.")
NUMBER(staging_size, SIZE, "8M", 1 << 20, 1 << 28, RESTART,
       "Buffers for pages on their way in and out. 2 MiB pages need 8M.")

/* ---- limits of clients; 0 means no limit where 0 is allowed */
NUMBER(max_sessions, COUNT, "1024", 1, 16384, RESTART,
       "Most programs connected at once.")
NUMBER(uid_sessions, COUNT, "256", 1, 16384, RELOAD,
       "Most programs of one user connected at once.")
NUMBER(max_segments, COUNT, "32000", 1, 65535, RESTART,
       "Most segments at once, of all clients together.")
NUMBER(session_segments, COUNT, "16384", 1, 65535, RELOAD,
       "Most segments one program may have attached.")
NUMBER(uid_segments, COUNT, "16384", 1, 65535, RELOAD,
       "Most segments of one user.")
NUMBER(max_faults, COUNT, "8192", 128, 1 << 20, RESTART,
       "Most faults waiting at once, of all clients together.")
NUMBER(session_faults, COUNT, "1024", 128, 1 << 20, RELOAD,
       "Most faults of one program waiting at once.")
NUMBER(session_frames, COUNT, "0", 0, 1ll << 31, RELOAD,
       "Most 4 KiB frames of the pool that one program may hold.")
NUMBER(session_mapped, SIZE, "0", 0, 1ll << 44, RELOAD,
       "Most memory that one program may map.")
NUMBER(uid_frames, COUNT, "0", 0, 1ll << 31, RELOAD,
       "Most 4 KiB frames that all programs of one user may hold together.")
NUMBER(uid_mapped, SIZE, "0", 0, 1ll << 44, RELOAD,
       "Most memory that all programs of one user may map together.")
NUMBER(session_output, SIZE, "1M", 64 << 10, 64 << 20, RELOAD,
       "Replies kept for a program that does not read; with more it is "
       "disconnected.")
NUMBER(handshake_timeout, MS, "5s", 100, 600000, RELOAD,
       "A connection must have said Hello within this time.")
NUMBER(message_timeout, MS, "10s", 100, 600000, RELOAD,
       "A message must have arrived whole within this time.")
NUMBER(stop_timeout, MS, "10s", 0, 600000, RELOAD,
       "At the end, wait this long for reads and writes under way.")

/* ---- other hosts */
TEXT(listen_tcp, "", RESTART,
     "Where other hosts connect to keep pages here: HOST:PORT, [IPV6]:PORT, "
     ":PORT (all addresses); empty: nowhere.")
CHOICE(insecure_tcp, "no|yes", "no", RESTART,
       "Without certificates, listen on and connect to other addresses than "
       "loopback, too: anybody on the network path can read and change all "
       "bytes.")
TEXT(tls_ca, "", RELOAD,
     "Certificates (PEM) of the authorities that memd trusts; with "
     "tls_certificate and tls_key, connections to and from other hosts are "
     "TLS 1.3, both ends with a certificate. Empty: plain TCP.")
TEXT(tls_certificate, "", RELOAD, "Our own certificate (PEM).")
TEXT(tls_key, "", RELOAD,
     "The key of our certificate (PEM); only memd should be able to read it.")
TEXT(tls_crl, "", RELOAD,
     "Certificates (PEM) that are revoked; empty: none.")
TEXT(tls_users, "", RELOAD,
     "Whose limits count for which certificate: NAME=USER, several with "
     "blanks between; *=USER for all others. Empty: only names that are "
     "users here.")
TEXT(tls_admins, "", RELOAD,
     "Certificate names that may administrate (memctl), with blanks between.")
TEXT(tcp_user, "", RELOAD,
     "Whose limits count for connections without certificates; empty: the "
     "user memd runs as.")
NUMBER(address_connections, COUNT, "64", 1, 16384, RELOAD,
       "Most connections from one address at once.")
NUMBER(guest_name_mapped, SIZE, "0", 0, 1ll << 44, RELOAD,
       "Most memory kept for one certificate name; 0: no limit.")
NUMBER(guest_address_mapped, SIZE, "0", 0, 1ll << 44, RELOAD,
       "Most memory kept for one address; 0: no limit.")
NUMBER(guest_keep, MS, "600s", 0, 86400000, RELOAD,
       "Keep what another host has stored here this long after its "
       "connection broke.")

/* ---- machinery */
NUMBER(io_threads, COUNT, "4", 1, 64, RESTART,
       "Threads of store = sync.")
NUMBER(queue_depth, COUNT, "128", 8, 4096, RESTART,
       "Most requests in progress at once with store = uring or remote.")
NUMBER(busy_poll, US, "100", 0, 10000, RELOAD,
       "After a fault, or a read from another host, look for the next one this "
       "many microseconds before sleeping; never while idle.")
CHOICE(mailbox, "yes|no", "yes", RELOAD,
       "Let programs ask for pages in shared memory; no: only on sockets, "
       "which is slower. Counts for programs that connect from then on.")
CHOICE(one_sided, "yes|no", "yes", RESTART,
       "Let programs read their own swap files, and fault pages in without "
       "memd.")
NUMBER(trace_events, COUNT, "4096", 64, 1 << 20, RESTART,
       "Faults kept for the readers of `memctl trace`.")
CHOICE(log_level, "error|warning|notice|info|debug", "info", RELOAD,
       "Log events up to this level.")
