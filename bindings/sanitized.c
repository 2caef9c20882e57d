/*
 * sanitized.c - for a build with the thread sanitizer only: nothing else has anything of it.
 *
 * Lua leaves C functions by longjmp, at every yield and every error. The sanitizer keeps a
 * stack of the functions that it has entered and unwinds it at longjmp, but does not know the
 * name by which a hardened liblua calls it: unseen, each yield left its frames there, every
 * allocation took note of all of them, and after some ten thousand yields it gave up. ASan and
 * UBSan keep no such stack.
 */
#if defined(__SANITIZE_THREAD__)
#define SANITIZED_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZED_THREADS 1
#endif
#endif

#ifdef SANITIZED_THREADS
#undef _FORTIFY_SOURCE
#include <setjmp.h>

_Noreturn void __longjmp_chk(jmp_buf env, int value);
_Noreturn void _longjmp(jmp_buf env, int value);

_Noreturn void __longjmp_chk(jmp_buf env, int value)
{
    longjmp(env, value);
}

_Noreturn void _longjmp(jmp_buf env, int value)
{
    longjmp(env, value);
}
#else
typedef int nothing_of_it;
#endif
