/*
 * A client of the directory that shares no code with the agent: what rpcgen makes of netinfo.x, over libtirpc.
 *
 * `reader udp|tcp HOST PORT [TAG]` reads the whole tree of the server at that address in every way that the protocol has,
 * ends with a sentence if two ways disagree, and prints the tree as a raw dump.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reader.h"

/* Refused reads over UDP are asked again, so long and so often: 20 s in all. */
static const struct timespec MOMENT = {0, 50 * 1000 * 1000};
#define ATTEMPTS 400

/* Statuses of the protocol. */
enum { READ_ONLY = 13, NETWORK_ROOT = 11, NO_SUCH_DIRECTORY = 5 };

CLIENT *server;
int over_udp;

void fail(const char *format, ...) {
    va_list arguments;
    fflush(stdout);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static int too_weak(enum clnt_stat stat) {
    struct rpc_err error;
    clnt_geterr(server, &error);
    return stat == RPC_AUTHERROR && error.re_why == AUTH_TOOWEAK;
}

int again(const char *call, enum clnt_stat stat) {
    static int attempts;
    if (stat == RPC_SUCCESS) {
        attempts = 0;
        return 0;
    }
    if (!over_udp || !too_weak(stat) || ++attempts == ATTEMPTS)
        fail("%s: %s", call, clnt_sperror(server, "no reply"));
    nanosleep(&MOMENT, NULL);
    return 1;
}

static CLIENT *connected(const char *host, const char *port, u_int program, u_int version) {
    struct sockaddr_in address;
    int socket = RPC_ANYSOCK;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)atoi(port));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || address.sin_port == 0)
        fail("%s %s: no address and port", host, port);
    struct timeval wait = {5, 0};
    CLIENT *made = over_udp ? clntudp_bufcreate(&address, program, version, wait, &socket, 8800, 8800)
                            : clnttcp_create(&address, program, version, &socket, 0, 0);
    if (made == NULL)
        fail("%s %s: %s", host, port, clnt_spcreateerror("not connected"));
    return made;
}

/* Every write is refused: by status 13, or, over UDP, before anybody looks what it is. */
static void refused(const char *call, enum clnt_stat stat, u_int status) {
    if (over_udp && !too_weak(stat))
        fail("%s over UDP: not AUTH_TOOWEAK", call);
    if (!over_udp && (stat != RPC_SUCCESS || status != READ_ONLY))
        fail("%s: %s, status %u", call, clnt_sperrno(stat), status);
}

#define REFUSED(result, call)                            \
    do {                                                 \
        memset(&(result), 0, sizeof(result));            \
        enum clnt_stat stat = (call);                    \
        refused(#call, stat, (result).status);           \
    } while (0)

static void write_everything(void) {
    id root = {0, 0};
    char key[] = "key", value[] = "value";
    name list[] = {value};
    property pair = {key, {1, list}};
    properties pairs = {1, &pair};
    create_result made;
    id_result done;
    REFUSED(made, dir_create_2(root, pairs, ~0u, NULL, &made, server));
    REFUSED(made, dir_create_2(root, pairs, 0, &root, &made, server));
    REFUSED(done, dir_destroy_2(root, root, &done, server));
    REFUSED(done, dir_write_2(root, pairs, &done, server));
    REFUSED(done, dir_createprop_2(root, pair, ~0u, &done, server));
    REFUSED(done, dir_destroyprop_2(root, 0, &done, server));
    REFUSED(done, dir_writeprop_2(root, 0, pair.values, &done, server));
    REFUSED(done, dir_renameprop_2(root, 0, key, &done, server));
    REFUSED(done, dir_createname_2(root, 0, value, ~0u, &done, server));
    REFUSED(done, dir_destroyname_2(root, 0, 0, &done, server));
    REFUSED(done, dir_writename_2(root, 0, 0, value, &done, server));
}

/* READALL hands out what the walk has seen, in the same order. */
static void read_all(void) {
    everything_result all, same;
    record_result record;
    objects_result below;
    parent_result parent;
    u_int seen = 0, highest = 0, sum = 0;
    ASK_STATUS(all, 0, dir_readall_2(0, &all, server));
    const everything *whole = &all.everything_result_u.all;
    for (const link *at = whole->first; at != NULL; at = at->next, seen++) {
        id self = at->record.self;
        if (seen >= visits || visited[seen] != self.object)
            fail("READALL has %u where CHILDREN leads elsewhere", self.object);
        ASK_STATUS(record, 0, dir_read_2(self, &record, server));
        ASK_STATUS(below, 0, dir_children_2(self, &below, server));
        ASK_STATUS(parent, 0, dir_parent_2(self, &parent, server));
        const objects *children = &below.objects_result_u.found.list;
        if (record.record_result_u.read.self.instance != self.instance ||
            !same_properties(&record.record_result_u.read.all, &at->record.all) ||
            parent.parent_result_u.found.parent != at->record.parent ||
            children->objects_len != at->record.children.objects_len)
            fail("READALL does not agree with READ, PARENT and CHILDREN of %u", self.object);
        for (u_int i = 0; i < children->objects_len; i++)
            if (children->objects_val[i] != at->record.children.objects_val[i])
                fail("READALL has other children of %u", self.object);
        FREE(record_result, record);
        FREE(objects_result, below);
        highest = self.object > highest ? self.object : highest;
        sum += (self.object + 1) * self.instance;
    }
    if (seen != visits || whole->highest != highest || whole->checksum != sum)
        fail("READALL: %u of %u records, highest %u, checksum %u", seen, visits, whole->highest, whole->checksum);
    if (sum != 0) {
        ASK_STATUS(same, 0, dir_readall_2(sum, &same, server));
        const everything *nothing = &same.everything_result_u.all;
        if (nothing->checksum != 0 || nothing->highest != 0 || nothing->first != NULL)
            fail("READALL of what is known already is not empty");
    }
    FREE(everything_result, all);
}

/* What the server tells of itself.  Its 44 properties are more than one datagram holds. */
static void statistics(void) {
    properties all;
    memset(&all, 0, sizeof all);
    enum clnt_stat stat = dir_statistics_2(&all, server);
    if (over_udp) {
        if (!too_weak(stat))
            fail("STATISTICS over UDP: not AUTH_TOOWEAK");
        return;
    }
    if (stat != RPC_SUCCESS || all.properties_len != 44 || strcmp(all.properties_val[0].key, "checksum") != 0)
        fail("STATISTICS: %s, %u properties", clnt_sperrno(stat), all.properties_len);
    FREE(properties, all);
}

/* Directories that are not there. */
static void miss(u_int nowhere) {
    id missing = {nowhere, 0}, root = {0, 0};
    char key[] = "name", value[] = "nobody has this name";
    record_result record;
    objects_result found;
    id_result self;
    ASK_STATUS(record, NO_SUCH_DIRECTORY, dir_read_2(missing, &record, server));
    ASK_STATUS(self, NO_SUCH_DIRECTORY, dir_self_2(missing, &self, server));
    ASK_STATUS(found, NO_SUCH_DIRECTORY, dir_lookup_2(missing, key, value, &found, server));
    ASK_STATUS(found, NO_SUCH_DIRECTORY, dir_lookup_2(root, key, value, &found, server));
    ASK_STATUS(record, NO_SUCH_DIRECTORY, dir_lookupread_2(root, key, value, &record, server));
}

/* The binder on the same port knows the tag, and that it is served here. */
static void binder(const char *host, const char *port, char *tag) {
    CLIENT *directory = server;
    char nobody[] = "nobody serves this";
    ports_result ports;
    registrations_result tags;
    server = connected(host, port, BINDER, BINDER_VERSION);
    if (binder_ping_1(NULL, server) != RPC_SUCCESS)
        fail("%s", clnt_sperror(server, "the binder's PING"));
    ASK_STATUS(ports, 0, binder_getregister_1(tag, &ports, server));
    u_int expected = (u_int)atoi(port);
    if (ports.ports_result_u.of.udp != expected || ports.ports_result_u.of.tcp != expected)
        fail("GETREGISTER: %u and %u", ports.ports_result_u.of.udp, ports.ports_result_u.of.tcp);
    ASK_STATUS(ports, 19, binder_getregister_1(nobody, &ports, server));
    ASK_STATUS(tags, 0, binder_listreg_1(&tags, server));
    if (tags.registrations_result_u.all.all_len == 0 ||
        strcmp(tags.registrations_result_u.all.all_val[0].tag, tag) != 0)
        fail("LISTREG does not list %s first", tag);
    FREE(registrations_result, tags);
    clnt_destroy(server);
    server = directory;
}

int main(int argc, char **argv) {
    char usual[] = "network";
    if (argc < 4 || (strcmp(argv[1], "udp") != 0 && strcmp(argv[1], "tcp") != 0))
        fail("usage: reader udp|tcp HOST PORT [TAG]");
    over_udp = strcmp(argv[1], "udp") == 0;
    server = connected(argv[2], argv[3], DIRECTORY, DIRECTORY_VERSION);
    id_result root;
    binding_result parent;
    if (dir_ping_2(NULL, server) != RPC_SUCCESS)
        fail("%s", clnt_sperror(server, "PING"));
    ASK_STATUS(root, 0, dir_root_2(&root, server));
    if (root.id_result_u.self.object != 0)
        fail("the root is %u", root.id_result_u.self.object);
    ASK_STATUS(parent, NETWORK_ROOT, dir_rparent_2(&parent, server));
    walk(0, 0);
    printf("\n");
    if (!over_udp)
        read_all();
    miss(1u << 20);
    statistics();
    write_everything();
    binder(argv[2], argv[3], argc > 4 ? argv[4] : usual);
    free(visited);
    clnt_destroy(server);
    return 0;
}
