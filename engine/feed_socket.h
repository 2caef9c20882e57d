/*
 * feed_socket.h - the Unix stream socket over which a run tells other programs what happens.
 *
 * Everything here is for the user's own programs: the socket's file has mode 0600, and who
 * comes is asked for its user by the kernel. Nothing waits but mp_feed_socket_join, which a run
 * does not call.
 */
#ifndef MP_FEED_SOCKET_H
#define MP_FEED_SOCKET_H

#include "engine/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* A socket that listens, and the file that it is. */
struct mp_feed_socket {
    int fd;
    char path[128];
    dev_t device; // of the file
    ino_t file;
};

/*
 * Listen at path. What is there stays as it is and fails with MP_EBUSY, but for a socket at
 * which nobody listens any more (its run was killed): that is replaced. The file is there from
 * when it can be connected to.
 */
enum mp_status mp_feed_socket_open(struct mp_feed_socket *socket, const char *path,
                                   struct mp_error *err);
/* Listen no longer, and take the file away if it is still ours. */
void mp_feed_socket_close(struct mp_feed_socket *socket);
/* Which process is at the other end; false where it is of another user, or cannot be asked. */
bool mp_feed_socket_peer(int fd, pid_t *process);
/* Connect to the run that listens at path, as a descriptor that blocks: -1, and MP_EGONE where
 * nobody listens there, MP_EBUSY where who listens took nobody in for 2 s. */
int mp_feed_socket_join(const char *path, struct mp_error *err);

#endif
