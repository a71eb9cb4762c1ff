//! The system calls that a plugin's process may not make: seccomp.
//!
//! A list of what is refused, not of what is allowed: a plugin may bring any library, and which calls a C library makes
//! changes with its version.  Refused is what reaches beyond the process, what Landlock cannot see, and what is newer
//! than this list.  Landlock sees files that are opened: mode, owner and attributes take no more than to be the owner's
//! user, which the agent may be, and so nobody changes them here, not even of files of its own.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    sock_filter,
};

use crate::plugin::process::sandbox::{Reach, Sandbox};

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Of other processes, of what all processes of a host share, of whom files belong to, of the system, and of file systems
/// by other ways than their names.  `setpgid` and `setsid` because by its group a process is ended with all that it started.
const REFUSED: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_finit_module,
    libc::SYS_fremovexattr,
    libc::SYS_fsconfig,
    libc::SYS_fsetxattr,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_lremovexattr,
    libc::SYS_lsetxattr,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_removexattr,
    libc::SYS_request_key,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_settimeofday,
    libc::SYS_setxattr,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmget,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// Calls that libraries do without where they are missing: `clone3` hides its flags from any filter, and what is asked of
/// `io_uring` passes it by.
const MISSING: &[c_long] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// The newest system call that was weighed for this list, `mseal` of Linux 6.10; beyond it are also those of x86's x32.
const NEWEST: u32 = 462;

/// How processes are made; without `exec` there are only threads.
const PROCESSES: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// New namespaces would give their maker every capability in them.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// `SOCK_*` without the flags that may be added to it.
const SOCKET_TYPE: u64 = 0xf;

/// Binds this thread and all that it starts.
pub(super) fn apply(sandbox: &Sandbox) -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refused = program(refused(sandbox).map_err(|e| e.to_string())?, libc::EPERM, arch)?;
    let missing = MISSING.iter().map(|call| (*call, Vec::new())).collect();
    let missing = [newer_are_missing(), program(missing, libc::ENOSYS, arch)?].concat();
    for filter in [refused, missing] {
        seccompiler::apply_filter(&filter).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What it comes to, for people.
pub(super) fn told(sandbox: &Sandbox) -> String {
    let programs = if sandbox.exec { "may start programs" } else { "no programs" };
    let mut sockets: Vec<&str> = sandbox.connect.iter().chain(&sandbox.listen).map(Reach::kind).collect();
    sockets.sort_unstable();
    sockets.dedup();
    match sockets.as_slice() {
        [] => format!("{programs}, no sockets"),
        kinds => format!("{programs}, sockets only {}", kinds.join(", ")),
    }
}

fn program(rules: Rules, errno: libc::c_int, arch: TargetArch) -> Result<BpfProgram, String> {
    let errno = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, arch);
    filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())
}

/// Three instructions before a filter: a call beyond [`NEWEST`] is answered as if the kernel were older.
fn newer_are_missing() -> BpfProgram {
    // linux/bpf_common.h and linux/seccomp.h: BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JGT | BPF_K, BPF_RET | BPF_K.
    const LOAD: u16 = 0x20;
    const IF_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        // The number stands at offset 0 of `seccomp_data`.
        instruction(LOAD, 0, 0, 0),
        instruction(IF_GREATER, 0, 1, NEWEST),
        instruction(RETURN, 0, 0, ERRNO | libc::ENOSYS.unsigned_abs()),
    ]
}

fn refused(sandbox: &Sandbox) -> Result<Rules, BackendError> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let flag = |flag: libc::c_int| u64::from(flag.unsigned_abs());
    let mut clone = Vec::new();
    for namespace in NAMESPACES {
        clone.push(rule(vec![is(0, Qword, MaskedEq(flag(namespace)), flag(namespace))?])?);
    }
    if !sandbox.exec {
        rules.extend(PROCESSES.iter().map(|call| (*call, Vec::new())));
        clone.push(rule(vec![is(0, Qword, MaskedEq(flag(libc::CLONE_THREAD)), 0)?])?);
        refuse_signals(&mut rules)?;
        // It would outlive the agent.
        rules.insert(libc::SYS_prctl, vec![rule(vec![is(0, Dword, Eq, flag(libc::PR_SET_PDEATHSIG))?])?]);
    }
    rules.insert(libc::SYS_clone, clone);
    let own = u64::from(std::process::id());
    // 0 is the caller itself.
    rules.insert(libc::SYS_prlimit64, vec![rule(vec![is(0, Dword, Ne, 0)?, is(0, Dword, Ne, own)?])?]);
    rules.insert(libc::SYS_socket, sockets(sandbox)?);
    rules.insert(libc::SYS_socketpair, pairs(sandbox)?);
    Ok(rules)
}

/// Two streams that only lead to each other.  Datagrams, which this family calls raw ones, too, can be sent to others by
/// name, whatever their socket is connected to.
fn pairs(sandbox: &Sandbox) -> Result<Vec<SeccompRule>, BackendError> {
    let flag = |flag: libc::c_int| u64::from(flag.unsigned_abs());
    let mut rules = vec![rule(vec![is(0, Dword, Ne, flag(libc::AF_UNIX))?])?];
    if !sandbox.connect.iter().chain(&sandbox.listen).any(|reach| *reach == Reach::Unix) {
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
            rules.push(rule(vec![is(1, Dword, MaskedEq(SOCKET_TYPE), flag(kind))?])?);
        }
    }
    Ok(rules)
}

/// Only to itself: the agent may run as the same user.  Where there may be other processes Landlock sees to it.
fn refuse_signals(rules: &mut Rules) -> Result<(), BackendError> {
    let own = u64::from(std::process::id());
    for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo] {
        rules.insert(call, vec![rule(vec![is(0, Dword, Ne, own)?])?]);
    }
    rules.insert(libc::SYS_tkill, Vec::new());
    Ok(())
}

/// Sockets that are in no way allowed; which ports those that are may use is Landlock's.
fn sockets(sandbox: &Sandbox) -> Result<Vec<SeccompRule>, BackendError> {
    let allowed = |reach: fn(&Reach) -> bool| sandbox.connect.iter().chain(&sandbox.listen).any(reach);
    let tcp = allowed(|reach| matches!(reach, Reach::Tcp(_)));
    let udp = allowed(|reach| *reach == Reach::Udp);
    let unix = allowed(|reach| *reach == Reach::Unix);
    let flag = |flag: libc::c_int| u64::from(flag.unsigned_abs());
    // To know one's own addresses, as every resolver does, takes a netlink socket.
    let families = [
        (libc::AF_UNIX, unix),
        (libc::AF_INET, tcp || udp),
        (libc::AF_INET6, tcp || udp),
        (libc::AF_NETLINK, tcp || udp),
    ];
    let mut others = Vec::new();
    for (family, _) in families.iter().filter(|(_, is_allowed)| *is_allowed) {
        others.push(is(0, Dword, Ne, flag(*family))?);
    }
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let mut rules =
        vec![rule(others)?, rule(vec![is(0, Dword, Eq, flag(libc::AF_NETLINK))?, is(2, Dword, Ne, 0)?])?];
    let kinds = [
        (libc::SOCK_STREAM, tcp, libc::IPPROTO_TCP),
        (libc::SOCK_DGRAM, udp, libc::IPPROTO_UDP),
        (libc::SOCK_RAW, false, 0),
        (libc::SOCK_RDM, false, 0),
        (libc::SOCK_SEQPACKET, false, 0),
        (libc::SOCK_DCCP, false, 0),
    ];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (kind, is_allowed, protocol) in kinds {
            let mut conditions =
                vec![is(0, Dword, Eq, flag(family))?, is(1, Dword, MaskedEq(SOCKET_TYPE), flag(kind))?];
            if is_allowed {
                // Of the same type are MPTCP and ICMP, of which Landlock knows nothing.
                conditions.extend([is(2, Dword, Ne, 0)?, is(2, Dword, Ne, flag(protocol))?]);
            }
            rules.push(rule(conditions)?);
        }
    }
    Ok(rules)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

fn is(
    argument: u8,
    length: seccompiler::SeccompCmpArgLen,
    operator: seccompiler::SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, length, operator, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a filter says of a system call with these arguments: a few lines of the kernel's interpreter.
    fn run(program: &BpfProgram, call: c_long, arguments: [u64; 3]) -> u32 {
        let arch: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
        let word = |offset: u32| match offset {
            0 => u32::try_from(call).expect("a number"),
            4 => arch,
            16.. => {
                let argument =
                    arguments.get(usize::try_from((offset - 16) / 8).expect("small")).unwrap_or(&0);
                let half = if offset % 8 == 4 { argument >> 32 } else { argument & 0xffff_ffff };
                u32::try_from(half).expect("half of it")
            }
            _ => 0,
        };
        let (mut at, mut a) = (0, 0_u32);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
            match code {
                0x20 => a = word(k),
                0x54 => a &= k,
                0x15 => jump(a == k),
                0x25 => jump(a > k),
                0x35 => jump(a >= k),
                0x05 => at += usize::try_from(k).expect("near"),
                0x06 => return k,
                other => panic!("an instruction {other:#x}"),
            }
        }
    }

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;

    fn arch() -> TargetArch {
        TargetArch::try_from(std::env::consts::ARCH).unwrap()
    }

    fn verdict(sandbox: &Sandbox, call: c_long, arguments: [u64; 3]) -> u32 {
        run(&program(refused(sandbox).unwrap(), libc::EPERM, arch()).unwrap(), call, arguments)
    }

    fn flag(flag: libc::c_int) -> u64 {
        u64::from(flag.unsigned_abs())
    }

    #[test]
    fn threads_are_made_and_processes_are_not() {
        let (strict, loose) = (Sandbox::default(), Sandbox { exec: true, ..Sandbox::default() });
        let thread = flag(libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND);
        for (call, argument, by_strict, by_loose) in [
            (libc::SYS_clone, thread, ALLOW, ALLOW),
            (libc::SYS_clone, flag(libc::SIGCHLD), EPERM, ALLOW),
            (libc::SYS_clone, flag(libc::CLONE_NEWUSER | libc::SIGCHLD), EPERM, EPERM),
            (libc::SYS_clone, thread | flag(libc::CLONE_NEWNET), EPERM, EPERM),
            (libc::SYS_execve, 0, EPERM, ALLOW),
            (libc::SYS_kill, u64::from(std::process::id()), ALLOW, ALLOW),
            (libc::SYS_kill, 1, EPERM, ALLOW),
            (libc::SYS_kill, u64::MAX, EPERM, ALLOW),
            (libc::SYS_ptrace, 0, EPERM, EPERM),
            (libc::SYS_prlimit64, 0, ALLOW, ALLOW),
            (libc::SYS_prlimit64, 1, EPERM, EPERM),
            (libc::SYS_prctl, flag(libc::PR_SET_PDEATHSIG), EPERM, ALLOW),
            (libc::SYS_prctl, flag(libc::PR_SET_NAME), ALLOW, ALLOW),
            (libc::SYS_setsid, 0, EPERM, EPERM),
            (libc::SYS_fchmod, 5, EPERM, EPERM),
            (libc::SYS_shmget, 0, EPERM, EPERM),
            (libc::SYS_openat, 0, ALLOW, ALLOW),
        ] {
            assert_eq!(verdict(&strict, call, [argument, 0, 0]), by_strict, "{call} {argument:#x}");
            assert_eq!(verdict(&loose, call, [argument, 0, 0]), by_loose, "{call} {argument:#x} with exec");
        }
    }

    #[test]
    fn only_the_sockets_that_are_said() {
        let tcp = Sandbox { connect: vec![Reach::Tcp(443)], ..Sandbox::default() };
        let udp = Sandbox { connect: vec![Reach::Udp], ..Sandbox::default() };
        let unix = Sandbox { listen: vec![Reach::Unix], ..Sandbox::default() };
        let (stream, datagram) = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::SOCK_DGRAM);
        for (family, kind, protocol, by_tcp, by_udp, by_unix) in [
            (libc::AF_INET, stream, 0, ALLOW, EPERM, EPERM),
            (libc::AF_INET6, stream, libc::IPPROTO_TCP, ALLOW, EPERM, EPERM),
            (libc::AF_INET, stream, libc::IPPROTO_MPTCP, EPERM, EPERM, EPERM),
            (libc::AF_INET, datagram, 0, EPERM, ALLOW, EPERM),
            (libc::AF_INET, datagram, libc::IPPROTO_ICMP, EPERM, EPERM, EPERM),
            (libc::AF_INET, libc::SOCK_RAW, 0, EPERM, EPERM, EPERM),
            (libc::AF_INET, libc::SOCK_SEQPACKET, 0, EPERM, EPERM, EPERM),
            (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE, ALLOW, ALLOW, EPERM),
            (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT, EPERM, EPERM, EPERM),
            (libc::AF_UNIX, stream, 0, EPERM, EPERM, ALLOW),
            (libc::AF_PACKET, libc::SOCK_RAW, 0, EPERM, EPERM, EPERM),
        ] {
            let arguments = [flag(family), flag(kind), flag(protocol)];
            for (sandbox, expected) in [(&tcp, by_tcp), (&udp, by_udp), (&unix, by_unix)] {
                let found = verdict(sandbox, libc::SYS_socket, arguments);
                assert_eq!(found, expected, "{family} {kind} {protocol} under {sandbox:?}");
            }
            assert_eq!(verdict(&Sandbox::default(), libc::SYS_socket, arguments), EPERM);
        }
    }

    #[test]
    fn pairs_of_sockets_lead_to_each_other_only() {
        let unix = Sandbox { connect: vec![Reach::Unix], ..Sandbox::default() };
        for (family, kind, by_default, by_unix) in [
            (libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, ALLOW, ALLOW),
            (libc::AF_UNIX, libc::SOCK_SEQPACKET, ALLOW, ALLOW),
            (libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, EPERM, ALLOW),
            (libc::AF_UNIX, libc::SOCK_RAW, EPERM, ALLOW),
            (libc::AF_TIPC, libc::SOCK_STREAM, EPERM, EPERM),
        ] {
            let arguments = [flag(family), flag(kind), 0];
            for (sandbox, expected) in [(&Sandbox::default(), by_default), (&unix, by_unix)] {
                let found = verdict(sandbox, libc::SYS_socketpair, arguments);
                assert_eq!(found, expected, "{family} {kind} under {sandbox:?}");
            }
        }
    }

    #[test]
    fn what_is_newer_is_missing() {
        let filter = [newer_are_missing(), program(BTreeMap::new(), libc::ENOSYS, arch()).unwrap()].concat();
        assert_eq!(run(&filter, c_long::from(NEWEST), [0; 3]), ALLOW);
        assert_eq!(run(&filter, c_long::from(NEWEST) + 1, [0; 3]), ENOSYS);
        // getpid of x32, which would pass every list of numbers.
        assert_eq!(run(&filter, 0x4000_0000 + 39, [0; 3]), ENOSYS);
    }
}
