#include "transcript.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_S = 30, TIMEOUT_MS = 20000, EVENTS = 256, SESSIONS = 64, TURNS = 8, ROOM = 8192 };

static int64_t base;
static int64_t sessions[SESSIONS];
static int sessions_known;

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static char *buffer(void) {
    static _Thread_local char rooms[TURNS][ROOM];
    static _Thread_local int turn;
    return rooms[turn++ % TURNS];
}

void section(const char *title, int64_t zxid) {
    base = zxid;
    tell("== %s", title);
}

void tell(const char *format, ...) {
    va_list words;
    va_start(words, format);
    flockfile(stdout);
    vprintf(format, words);
    putchar('\n');
    fflush(stdout);
    funlockfile(stdout);
    va_end(words);
}

const char *code(int rc) {
    char *text = buffer();
    snprintf(text, ROOM, "%d %s", rc, zerror(rc));
    return text;
}

static const char *zxid(int64_t number) {
    char *text = buffer();
    if (number > 0) {
        snprintf(text, ROOM, "z%lld", (long long)(number - base));
    } else {
        snprintf(text, ROOM, "%lld", (long long)number);
    }
    return text;
}

static int session(int64_t id) {
    for (int i = 0; i < sessions_known; i++) {
        if (sessions[i] == id) {
            return i + 1;
        }
    }
    if (sessions_known == SESSIONS) {
        fail("more sessions than there is room for");
    }
    sessions[sessions_known++] = id;
    return sessions_known;
}

const char *show_stat(const struct Stat *s) {
    char *text = buffer();
    if (!s) {
        return "no stat";
    }
    snprintf(text, ROOM, "{c=%s m=%s p=%s v=%d cv=%d av=%d len=%d kids=%d owner=%d}", zxid(s->czxid),
             zxid(s->mzxid), zxid(s->pzxid), s->version, s->cversion, s->aversion, s->dataLength,
             s->numChildren, s->ephemeralOwner ? session(s->ephemeralOwner) : 0);
    return text;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void append(char *text, const char *format, ...) {
    size_t used = strlen(text);
    va_list words;
    va_start(words, format);
    vsnprintf(text + used, ROOM - used, format, words);
    va_end(words);
}

const char *show_names(const struct String_vector *names) {
    char *text = buffer();
    strcpy(text, "[");
    if (names && names->count > 0) {
        qsort(names->data, names->count, sizeof(char *), by_name); /* names come in no promised order */
        for (int i = 0; i < names->count; i++) {
            append(text, i ? ", %s" : "%s", names->data[i]);
        }
    }
    append(text, "]");
    return text;
}

const char *show_acl(const struct ACL_vector *acl) {
    char *text = buffer();
    strcpy(text, "[");
    for (int i = 0; acl && i < acl->count; i++) {
        append(text, "%s%d:%s:%s", i ? ", " : "", acl->data[i].perms, acl->data[i].id.scheme,
               acl->data[i].id.id);
    }
    append(text, "]");
    return text;
}

const char *show_data(const char *data, int length) {
    char *text = buffer();
    if (length < 0) {
        return "null";
    }
    if (length > 200) {
        snprintf(text, ROOM, "%d bytes", length);
    } else {
        snprintf(text, ROOM, "\"%.*s\"", length, data);
    }
    return text;
}

struct latch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
};

static struct timespec patience(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return until;
}

latch_t *latch_new(int count) {
    latch_t *latch = calloc(1, sizeof(*latch));
    pthread_mutex_init(&latch->lock, NULL);
    pthread_cond_init(&latch->changed, NULL);
    latch->count = count;
    return latch;
}

void latch_down(latch_t *latch) {
    pthread_mutex_lock(&latch->lock);
    latch->count--;
    pthread_cond_signal(&latch->changed);
    pthread_mutex_unlock(&latch->lock);
}

void latch_await(latch_t *latch) {
    struct timespec until = patience();
    pthread_mutex_lock(&latch->lock);
    while (latch->count > 0) {
        if (pthread_cond_timedwait(&latch->changed, &latch->lock, &until)) {
            fail("a completion never came");
        }
    }
    pthread_mutex_unlock(&latch->lock);
    free(latch);
}

typedef struct {
    int type, state;
    char path[256];
} event_t;

struct client {
    zhandle_t *handle;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    event_t events[EVENTS];
    int count, told, state;
};

void client_watch(zhandle_t *handle, int type, int state, const char *path, void *context) {
    client_t *client = context;
    (void)handle;
    pthread_mutex_lock(&client->lock);
    if (type == ZOO_SESSION_EVENT) {
        client->state = state;
    } else {
        if (client->count == EVENTS) {
            fail("more events than there is room for");
        }
        event_t *event = &client->events[client->count++];
        event->type = type;
        event->state = state;
        snprintf(event->path, sizeof(event->path), "%s", path);
    }
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

client_t *client_attach(const char *server, const clientid_t *id) {
    client_t *client = calloc(1, sizeof(*client));
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
    client->state = ZOO_NOTCONNECTED_STATE;
    client->handle = zookeeper_init(server, client_watch, TIMEOUT_MS, id, client, 0);
    if (!client->handle) {
        fail("zookeeper_init failed");
    }
    return client;
}

client_t *client_open(const char *server) {
    client_t *client = client_attach(server, NULL);
    client_await_state(client, ZOO_CONNECTED_STATE);
    return client;
}

void client_close(client_t *client) {
    zookeeper_close(client->handle);
    free(client);
}

zhandle_t *client_handle(client_t *client) {
    return client->handle;
}

void client_await_state(client_t *client, int state) {
    struct timespec until = patience();
    pthread_mutex_lock(&client->lock);
    while (client->state != state) {
        if (pthread_cond_timedwait(&client->changed, &client->lock, &until)) {
            fail("a state never came");
        }
    }
    pthread_mutex_unlock(&client->lock);
}

static void fenced(int rc, const struct Stat *stat, const void *data) {
    (void)rc, (void)stat;
    latch_down((latch_t *)data);
}

void client_tell(client_t *client) {
    static const char *const names[] = {"?", "created", "deleted", "changed", "child"};
    latch_t *latch = latch_new(1);
    zoo_aexists(client->handle, "/", 0, fenced, latch); /* completions queue behind earlier events */
    latch_await(latch);
    pthread_mutex_lock(&client->lock);
    if (client->told == client->count) {
        tell("   saw nothing");
    }
    for (; client->told < client->count; client->told++) {
        const event_t *event = &client->events[client->told];
        tell("   saw %s %s in state %d",
             event->type > 0 && event->type < 5 ? names[event->type] : "something else", event->path,
             event->state);
    }
    pthread_mutex_unlock(&client->lock);
}
