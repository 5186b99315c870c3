/* What a client saw, in a form that two servers can be compared by, line by line: zxids are relative to the
 * first of the section, sessions are numbered as they appear. */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include <stdint.h>
#include <zookeeper/zookeeper.h>

/* Starts a section whose zxids count from zxid. */
void section(const char *title, int64_t zxid);

/* One line; printf's words. Calls from several threads do not mix. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A result code by its name. */
const char *code(int rc);

/* These return one of a few buffers of their own, by turns. */
const char *show_stat(const struct Stat *stat);
const char *show_names(const struct String_vector *names);
const char *show_acl(const struct ACL_vector *acl);
const char *show_data(const char *data, int length);

/* A handle that keeps its events, and the thread that may wait for them. */
typedef struct client client_t;

client_t *client_open(const char *server);
client_t *client_attach(const char *server, const clientid_t *session);
void client_close(client_t *client);
zhandle_t *client_handle(client_t *client);
/* Waits for the state, which must come. */
void client_await_state(client_t *client, int state);
/* Tells the events that came since the last time; it waits first for those on their way. */
void client_tell(client_t *client);
/* What the watch variants of the API take; the context is the client. */
void client_watch(zhandle_t *handle, int type, int state, const char *path, void *context);

/* Lets one thread wait for what another does. */
typedef struct latch latch_t;
latch_t *latch_new(int count);
void latch_down(latch_t *latch);
/* Waits until it was taken down count times, then frees it. */
void latch_await(latch_t *latch);

#endif
