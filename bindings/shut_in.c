/* shut_in.c - the kernel's part in a process that looks at what may have been made to harm. */
#include "bindings/modules.h"

#include <lauxlib.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef OWN_ARCH
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSED BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define REFUSE(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), REFUSED

/* No program is started, and nothing goes out over a network; all else is as it was. */
static bool install(void)
{
    struct sock_filter rules[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
        REFUSED, // the same calls by the numbers of another machine
        LOAD(nr),
#ifdef __x86_64__
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000U, 0, 1), // or of x32
        REFUSED,
#endif
        REFUSE(__NR_execve),
        REFUSE(__NR_execveat),
        REFUSE(__NR_socket),
        REFUSE(__NR_io_uring_setup), // whose orders pass by no filter
        REFUSE(__NR_process_vm_writev),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
static bool install(void)
{
    return false;
}
#endif

/*
 * core.shut_in() -> true if from now on the kernel starts no program for this thread, and those
 * that it makes, and opens no socket (execve, execveat, socket, io_uring: EPERM); false where
 * it cannot. There is no way back.
 */
static int shut_in(lua_State *L)
{
    lua_pushboolean(L, install());
    return 1;
}

void mp_open_shut_in(lua_State *L)
{
    static const luaL_Reg functions[] = {{"shut_in", shut_in}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
