// Package cas stores blobs by digest: what went in under a digest comes out under it, or nothing
// does. Store is what other packages take; Local is the store in a folder that any number of
// processes of one machine share, and that a process killed at any instant, a full disk or a
// power cut leaves whole. Memory is a store for tests.
//
// # On disk
//
// Local keeps everything in one folder, named dir here:
//
//	dir/format            the text "git-bst cas 1\n". A higher number is a newer format: nobody who
//	                      does not know it reads or writes there (ErrNewerFormat).
//	dir/objects/ab/REST   one blob; "ab" and REST are the first 2 and the other 62 lower-case hex
//	                      digits of its SHA-256. Mode 0444, modification time FileTime. The access
//	                      time is when it was last stored, found present or handed out, to within
//	                      touchInterval; GC goes by it.
//	dir/objects/ab/REST.x the same content with mode 0555, for execution; made on demand, and only
//	                      beside a blob.
//	dir/tmp/              files being written; any name. They become blobs by rename, complete and
//	                      hashed. What a killed process leaves is removed by GC after a day.
//	dir/tmp/trash-HASH    a blob that GC has moved out and not yet decided about. Found after GC was
//	                      killed, it is moved back by who misses the blob.
//	dir/leases/NAME       one per Lease. Its holder has it locked (flock, exclusive) from before
//	                      the name appears; not locked means dead, and GC removes it. Content:
//	                      "git-bst lease 1\nstart NS\n", NS in nanoseconds since 1970.
//	dir/corrupt/HASH      blobs whose content was found not to be theirs, moved aside.
//	dir/state             which blobs a crash of the machine may have spoilt, see below.
//	dir/state.lock        flock: who changes state.
//	dir/gc.lock           flock, exclusive: one GC at a time.
//	dir/trash.lock        flock, exclusive: a blob is just being moved out by GC; who misses a blob
//	                      takes it shared and looks again.
//
// The empty blob is always present and needs no file.
//
// # After a crash of the machine
//
// A blob is not synced when it is written: Sync does that for all at once (one syncfs) before a
// reference to blobs is written. The file state remembers up to when that was:
//
//	git-bst cas state 1
//	boot ID               the kernel's boot id when state was last written
//	synced NS             every blob whose ctime is below NS (file system time, nanoseconds since
//	                      1970) is on disk
//	suspect FROM TO       any number of lines: a blob whose ctime is in [FROM, TO] was perhaps not on
//	                      disk when the machine stopped
//
// Lines with other first words are ignored. Whoever opens the store and finds another boot id than
// the running kernel's adds the time since synced to the suspects. A suspect blob is read in full
// before it is said to be present or handed out as a file; then its ctime is renewed, or it is
// moved aside. A missing or unreadable state file makes everything suspect.
package cas
