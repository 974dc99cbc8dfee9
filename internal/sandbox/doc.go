// Package sandbox runs one command where it can read only what it was given, reaches no network
// and leaves no process behind.
//
// Words. The *root* is what the command sees as "/": the host's own system folders (HostRoot) or
// an already staged directory (DirRoot). A *bind* shows a file or directory of the host at a
// fixed path inside. The *init* is this same program, started again with a special name as
// process 1 of the sandbox: it makes the mounts, gives up all privileges, starts the command,
// reaps what is orphaned, and ends when the command has ended, taking everything else with it.
//
// What a sandbox of Kind Namespaces is: own user, mount, PID, network, IPC and UTS namespaces;
// the root read-only (see Spec.RootWritable); a network with only its own loopback; /proc of its
// own; /dev with null, zero, full, random, urandom, tty (the host's, whose modes cannot be
// changed), pts, shm and the usual links; a fresh /tmp; none of the user's keyrings; no
// capabilities, not even in the bounding set; no_new_privs; no set-user-ID or device files; umask
// 022; no core files; its own session without a terminal; the environment given and nothing else;
// three open files. It needs nothing installed and works as root and as an ordinary user, where
// the kernel allows user namespaces. Probe says whether it does.
//
// Mount points need not exist in a read-only root and the root's directory is never changed: a
// directory that lacks one is shown as a fresh one on a tmpfs into which its entries are bound
// one by one (no overlay is needed). Only with RootWritable are missing mount points made in the
// directory itself, and removed afterwards.
//
// HostRoot shows /usr, /bin, /sbin, /lib*, /opt, /nix/store and /gnu/store as far as they exist,
// read-only, and of /etc only the names in etcNames: what compilers and interpreters read.
// passwd, group, hosts and nsswitch.conf are made up. So /etc/shadow, keys, tokens in
// pip.conf or npmrc, the local time zone and the like are not there, nor are /home, /root, /var,
// /run, /srv, /sys and the host's /tmp.
//
// What Kind None is: the init without any of the above. The command sees the whole host, there
// is no fixed build path (Binds and a Root other than the host's are refused unless
// Source equals Target), and the network is there. What still holds: the environment, umask and
// limits, a session keyring of its own, the ends (Interrupted, TimedOut), and that no process is
// left, even one that changed its session. Trust in what it makes is the caller's matter.
package sandbox
