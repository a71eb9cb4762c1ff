/* What the two halves of the reader share: asking, and how a record is compared and printed. */
#ifndef READER_H
#define READER_H

#include "netinfo.h"

/* The connection, or the UDP socket, and which of both it is. */
extern CLIENT *server;
extern int over_udp;

/* One line to stderr, and the end. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether a call that came to nothing is to be made again: over UDP too many reads at once are refused for a moment. */
int again(const char *call, enum clnt_stat stat);

/* Calls until there is a reply.  The result is emptied before, and the caller frees what is in it. */
#define ASK(result, call)                          \
    do {                                           \
        memset(&(result), 0, sizeof(result));      \
    } while (again(#call, (call)))

/* The same, and the reply's status must be this. */
#define ASK_STATUS(result, expected, call)                                             \
    do {                                                                               \
        ASK(result, call);                                                             \
        if ((result).status != (expected))                                             \
            fail("%s: status %u instead of %u", #call, (result).status, (unsigned)(expected)); \
    } while (0)

#define FREE(type, result) xdr_free((xdrproc_t)xdr_##type, (char *)&(result))

int same_names(const names *a, const names *b);
int same_properties(const properties *a, const properties *b);

/* Reads a directory in every way that the protocol has, checks that all agree, prints it, and goes on below it. */
void walk(u_int object, int depth);

/* The objects that `walk` visited, in that order. */
extern u_int *visited;
extern u_int visits;

#endif
