/* Everything an application can do with the C client, told as a transcript.
 *
 * Usage: scenario host:port. The server is fresh and has extended types. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transcript.h"

enum { LARGE = 900000, BURST = 200 };

static zhandle_t *zk;
static client_t *client;
static const char *server;

static void begin(const char *root) {
    struct Stat stat;
    client = client_open(server);
    zk = client_handle(client);
    int rc = zoo_create2(zk, root, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0, &stat);
    if (rc) {
        fprintf(stderr, "create %s: %s (is the server fresh?)\n", root, code(rc));
        exit(1);
    }
    section(root, stat.czxid);
}

static void end(void) {
    client_close(client);
}

static void create(const char *path, const char *value, int mode) {
    char made[256] = "";
    struct Stat stat;
    int rc = zoo_create2(zk, path, value, value ? (int)strlen(value) : -1, &ZOO_OPEN_ACL_UNSAFE, mode, made,
                         sizeof(made), &stat);
    tell("create %s -> %s %s %s", path, code(rc), made, rc ? "" : show_stat(&stat));
}

static void exists(const char *path) {
    struct Stat stat;
    int rc = zoo_exists(zk, path, 0, &stat);
    tell("exists %s -> %s %s", path, code(rc), rc ? "" : show_stat(&stat));
}

static void get(const char *path) {
    static char data[LARGE];
    struct Stat stat;
    int length = sizeof(data);
    int rc = zoo_get(zk, path, 0, data, &length, &stat);
    tell("get %s -> %s %s %s", path, code(rc), rc ? "" : show_data(data, length), rc ? "" : show_stat(&stat));
}

static void set(const char *path, const char *value, int length, int version) {
    struct Stat stat;
    int rc = zoo_set2(zk, path, value, length, version, &stat);
    tell("set %s -> %s %s", path, code(rc), rc ? "" : show_stat(&stat));
}

static void children(const char *path) {
    struct String_vector names = {0, NULL};
    struct Stat stat;
    int rc = zoo_get_children2(zk, path, 0, &names, &stat);
    tell("children %s -> %s %s %s", path, code(rc), rc ? "" : show_names(&names), rc ? "" : show_stat(&stat));
    if (!rc) {
        deallocate_String_vector(&names);
    }
}

static void delete(const char *path, int version) {
    tell("delete %s -> %s", path, code(zoo_delete(zk, path, version)));
}

static void nodes(void) {
    static char large[LARGE];
    begin("/nodes");
    create("/nodes/a", "one", 0);
    create("/nodes/a", "one", 0);
    create("/nodes/none/c", "", 0);
    create("/nodes/null", NULL, 0);
    create("relative", "", 0);
    create("/nodes//x", "", 0);
    exists("/nodes/a");
    exists("/nodes/none");
    get("/nodes/a");
    get("/nodes/null");
    get("/nodes/none");
    set("/nodes/a", "uno", 3, -1);
    set("/nodes/a", "eins", 4, 1);
    set("/nodes/a", "un", 2, 1);
    set("/nodes/a", "", 0, 2);
    get("/nodes/a");
    set("/nodes/a", NULL, -1, 3);
    get("/nodes/a");
    memset(large, 'x', sizeof(large));
    set("/nodes/a", large, sizeof(large), -1);
    get("/nodes/a");
    for (int i = 0; i < 3; i++) {
        create("/nodes/s-", "", ZOO_SEQUENCE);
    }
    create("/nodes/e", "", ZOO_EPHEMERAL);
    create("/nodes/e-", "", ZOO_EPHEMERAL_SEQUENTIAL);
    create("/nodes/e/c", "", 0);
    create("/nodes/box", "", ZOO_CONTAINER);
    struct Stat stat;
    char made[256];
    int rc = zoo_create2_ttl(zk, "/nodes/ttl", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 3600000,
                             made, sizeof(made), &stat);
    tell("ttl -> %s %s %s", code(rc), made, show_stat(&stat));
    create("/nodes/p", "", 0);
    create("/nodes/p/c", "", 0);
    children("/nodes");
    children("/nodes/none");
    delete("/nodes/p", -1);
    delete("/nodes/a", 0);
    delete("/nodes/a", 5);
    delete("/nodes/a", -1);
    delete("/zookeeper", -1);
    exists("/nodes");
    end();
}

static void acls(void) {
    struct Id nosuch = {"nosuch", "x"}, anyone = {"world", "anyone"};
    struct ACL unknown_entry = {ZOO_PERM_ALL, nosuch}, mixed_entries[] = {{1, anyone}, {31, {"ip", "127.0.0.1"}}};
    struct ACL_vector unknown = {1, &unknown_entry}, mixed = {2, mixed_entries}, got;
    struct Stat stat;
    begin("/acls");
    tell("unknown scheme -> %s", code(zoo_create(zk, "/acls/x", "", 0, &unknown, 0, NULL, 0)));
    tell("no name -> %s", code(zoo_create(zk, "/acls/x", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0)));
    tell("mixed -> %s", code(zoo_create(zk, "/acls/mixed", "", 0, &mixed, 0, NULL, 0)));
    int rc = zoo_get_acl(zk, "/acls/mixed", &got, &stat);
    tell("get_acl -> %s %s %s", code(rc), show_acl(&got), show_stat(&stat));
    deallocate_ACL_vector(&got);
    tell("set_acl -> %s", code(zoo_set_acl(zk, "/acls/mixed", 0, &ZOO_READ_ACL_UNSAFE)));
    tell("set_acl again -> %s", code(zoo_set_acl(zk, "/acls/mixed", 1, &ZOO_OPEN_ACL_UNSAFE)));
    set("/acls/mixed", "", 0, -1);
    tell("get_acl of nothing -> %s", code(zoo_get_acl(zk, "/acls/none", &got, &stat)));
    end();
}

static void told_code(int rc, const void *data) {
    tell("completion -> %s", code(rc));
    latch_down((latch_t *)data);
}

static void authentication(void) {
    struct ACL_vector got;
    struct Stat stat;
    begin("/auth");
    latch_t *latch = latch_new(1);
    zoo_add_auth(zk, "digest", "bob:secret", 10, told_code, latch);
    latch_await(latch);
    tell("creator -> %s", code(zoo_create(zk, "/auth/bob", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0)));
    int rc = zoo_get_acl(zk, "/auth/bob", &got, &stat);
    tell("get_acl -> %s %s", code(rc), show_acl(&got));
    deallocate_ACL_vector(&got);
    get("/auth/bob");
    client_t *bob = client;
    client = client_open(server);
    zk = client_handle(client);
    get("/auth/bob");
    latch = latch_new(1);
    zoo_add_auth(zk, "nosuch", "x", 1, told_code, latch);
    latch_await(latch);
    client_await_state(client, ZOO_AUTH_FAILED_STATE);
    get("/auth/bob");
    client_close(client);
    client = bob;
    end();
}

static void show_results(const char *what, int rc, const zoo_op_result_t *results, int count) {
    tell("%s -> %s", what, code(rc));
    for (int i = 0; i < count; i++) {
        tell("   %s %s %s", code(results[i].err), results[i].err || !results[i].value ? "" : results[i].value,
             results[i].err || !results[i].stat ? "" : show_stat(results[i].stat));
    }
}

static void transactions(void) {
    zoo_op_t ops[5];
    zoo_op_result_t results[5];
    char paths[2][256] = {"", ""};
    struct Stat stat;
    begin("/multi");
    memset(results, 0, sizeof(results));
    zoo_create_op_init(&ops[0], "/multi/a", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, paths[0], 256);
    zoo_create_op_init(&ops[1], "/multi/s-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, paths[1], 256);
    zoo_set_op_init(&ops[2], "/multi/a", "2", 1, 0, &stat);
    zoo_check_op_init(&ops[3], "/multi/a", 1);
    zoo_delete_op_init(&ops[4], "/multi/a", -1);
    int rc = zoo_multi(zk, 5, ops, results);
    show_results("all", rc, results, 5);
    memset(results, 0, sizeof(results));
    zoo_check_op_init(&ops[2], "/multi/none", -1);
    rc = zoo_multi(zk, 5, ops, results);
    show_results("third fails", rc, results, 5);
    memset(results, 0, sizeof(results));
    latch_t *latch = latch_new(1);
    rc = zoo_amulti(zk, 2, ops, results, told_code, latch);
    latch_await(latch);
    show_results("asynchronous", rc, results, 2);
    children("/multi");
    end();
}

static void watches(void) {
    struct String_vector names;
    struct Stat stat;
    char data[64];
    int length = sizeof(data);
    begin("/watches");
    client_t *watcher = client_open(server);
    zhandle_t *wk = client_handle(watcher);
    zoo_wexists(wk, "/watches/a", client_watch, watcher, &stat);
    create("/watches/a", "", 0);
    client_tell(watcher);
    zoo_wget(wk, "/watches/a", client_watch, watcher, data, &length, &stat);
    set("/watches/a", "x", 1, -1);
    set("/watches/a", "y", 1, -1);
    client_tell(watcher);
    zoo_wget_children(wk, "/watches/a", client_watch, watcher, &names);
    create("/watches/a/c", "", 0);
    set("/watches/a/c", "x", 1, -1);
    client_tell(watcher);
    zoo_wget_children2(wk, "/watches/a", client_watch, watcher, &names, &stat);
    delete("/watches/a/c", -1);
    client_tell(watcher);
    length = sizeof(data);
    zoo_get(wk, "/watches/a", 1, data, &length, &stat); /* the handle's own watcher */
    delete("/watches/a", -1);
    client_tell(watcher);
    zoo_wexists(wk, "/watches/b", client_watch, watcher, &stat);
    tell("remove -> %s", code(zoo_remove_watches(wk, "/watches/b", ZWATCHTYPE_DATA, client_watch, watcher, 0)));
    tell("remove again -> %s",
         code(zoo_remove_watches(wk, "/watches/b", ZWATCHTYPE_DATA, client_watch, watcher, 0)));
    create("/watches/b", "", 0);
    client_tell(watcher);
    client_close(watcher);
    end();
}

/* Leaves a session with an ephemeral behind: the process ends without closing either. */
static int abandon(int end) {
    client_t *owner = client_open(server);
    zhandle_t *ok = client_handle(owner);
    zoo_create(ok, "/sessions/e", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0);
    tell("negotiated %d", zoo_recv_timeout(ok));
    clientid_t id = *zoo_client_id(ok);
    _exit(write(end, &id, sizeof(id)) != sizeof(id));
}

/* Runs `abandon` in a program started anew: a fork of this one would inherit locks that its threads hold. */
static clientid_t abandoned_session(void) {
    int ends[2];
    clientid_t id;
    char end[16];
    if (pipe(ends)) {
        abort();
    }
    snprintf(end, sizeof(end), "%d", ends[1]);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "scenario", server, end, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    if (read(ends[0], &id, sizeof(id)) != sizeof(id) || waitpid(child, NULL, 0) != child) {
        abort();
    }
    close(ends[0]);
    return id;
}

static void sessions(void) {
    struct Stat stat;
    begin("/sessions");
    clientid_t id = abandoned_session();
    exists("/sessions/e");
    client_t *heir = client_attach(server, &id);
    client_await_state(heir, ZOO_CONNECTED_STATE);
    tell("same session: %d", zoo_client_id(client_handle(heir))->client_id == id.client_id);
    tell("its ephemeral -> %s", code(zoo_delete(client_handle(heir), "/sessions/e", 0)));
    create("/sessions/e", "", ZOO_EPHEMERAL);
    zoo_create(client_handle(heir), "/sessions/f", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0);
    zoo_wexists(zk, "/sessions/f", client_watch, client, &stat);
    client_close(heir);
    client_tell(client);
    client_t *late = client_attach(server, &id);
    client_await_state(late, ZOO_EXPIRED_SESSION_STATE);
    tell("re-attach to a closed session: expired");
    client_close(late);
    exists("/sessions");
    end();
}

static void told_stat(int rc, const struct Stat *stat, const void *data) {
    tell("stat -> %s %s", code(rc), rc ? "" : show_stat(stat));
    latch_down((latch_t *)data);
}

static void told_string(int rc, const char *value, const void *data) {
    tell("string -> %s %s", code(rc), rc ? "" : value);
    latch_down((latch_t *)data);
}

static void told_data(int rc, const char *value, int length, const struct Stat *stat, const void *data) {
    tell("data -> %s %s %s", code(rc), rc ? "" : show_data(value, length), rc ? "" : show_stat(stat));
    latch_down((latch_t *)data);
}

static void told_names(int rc, const struct String_vector *names, const void *data) {
    tell("names -> %s %s", code(rc), rc ? "" : show_names(names));
    latch_down((latch_t *)data);
}

static void told_acl(int rc, struct ACL_vector *acl, struct Stat *stat, const void *data) {
    tell("acl -> %s %s %s", code(rc), rc ? "" : show_acl(acl), rc ? "" : show_stat(stat));
    latch_down((latch_t *)data);
}

/* Everything at once; the completions come in the order of the calls. */
static void pipeline(void) {
    begin("/pipeline");
    latch_t *latch = latch_new(BURST * 5 + 6);
    char path[64];
    for (int i = 0; i < BURST; i++) {
        snprintf(path, sizeof(path), "/pipeline/n%d", i);
        zoo_acreate(zk, path, "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, told_string, latch);
        zoo_aset(zk, path, "y", 1, i % 3 - 1, told_stat, latch);
        zoo_aget(zk, path, 0, told_data, latch);
        zoo_adelete(zk, path, i % 2, told_code, latch);
        zoo_aexists(zk, path, 0, told_stat, latch);
    }
    zoo_aget_children(zk, "/pipeline", 0, told_names, latch);
    zoo_async(zk, "/pipeline", told_string, latch);
    zoo_aget_acl(zk, "/pipeline", told_acl, latch);
    zoo_aset_acl(zk, "/pipeline", 0, &ZOO_READ_ACL_UNSAFE, told_code, latch);
    zoo_aget(zk, "/pipeline/none", 0, told_data, latch);
    zoo_aget_acl(zk, "/pipeline/none", told_acl, latch);
    latch_await(latch);
    end();
}

static void chroot_and_config(void) {
    char *inside, data[256];
    struct Stat stat;
    int length = sizeof(data);
    begin("/chroot");
    if (asprintf(&inside, "%s/chroot", server) < 0) {
        abort();
    }
    client_t *below = client_open(inside);
    zhandle_t *bk = client_handle(below);
    zoo_wexists(bk, "/a", client_watch, below, &stat);
    create("/chroot/a", "x", 0);
    client_tell(below);
    int rc = zoo_create(bk, "/b", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, data, sizeof(data));
    tell("create below -> %s %s", code(rc), data);
    client_close(below);
    free(inside);
    children("/chroot");
    rc = zoo_getconfig(zk, 0, data, &length, &stat);
    tell("getconfig -> %s %s", code(rc), rc ? "" : show_data(data, length));
    length = sizeof(data);
    rc = zoo_reconfig(zk, "server.1=h:1:2:participant;3", NULL, NULL, -1, data, &length, &stat);
    tell("reconfig -> %s", code(rc));
    end();
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: %s host:port\n", argv[0]);
        return 2;
    }
    server = argv[1];
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    if (argc == 3) {
        return abandon(atoi(argv[2]));
    }
    nodes();
    acls();
    authentication();
    transactions();
    watches();
    sessions();
    pipeline();
    chroot_and_config();
    tell("== end");
    return 0;
}
