/* Reads a tree, each directory in all the ways that there are, and prints it as a raw dump. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

u_int *visited;
u_int visits;

/* The version of a record says nothing to a read, so this is none that there is. */
#define ANY_VERSION 4711u

static id of(u_int object) {
    id self = {object, ANY_VERSION};
    return self;
}

int same_names(const names *a, const names *b) {
    if (a->names_len != b->names_len)
        return 0;
    for (u_int i = 0; i < a->names_len; i++)
        if (strcmp(a->names_val[i], b->names_val[i]) != 0)
            return 0;
    return 1;
}

int same_properties(const properties *a, const properties *b) {
    if (a->properties_len != b->properties_len)
        return 0;
    for (u_int i = 0; i < a->properties_len; i++)
        if (strcmp(a->properties_val[i].key, b->properties_val[i].key) != 0 ||
            !same_names(&a->properties_val[i].values, &b->properties_val[i].values))
            return 0;
    return 1;
}

/* The first property of that name, as every look-up takes it. */
static const property *first(const properties *all, const char *key) {
    for (u_int i = 0; i < all->properties_len; i++)
        if (strcmp(all->properties_val[i].key, key) == 0)
            return &all->properties_val[i];
    return NULL;
}

static int among(const objects *list, u_int object) {
    for (u_int i = 0; i < list->objects_len; i++)
        if (list->objects_val[i] == object)
            return 1;
    return 0;
}

/* A reply that names a directory names the one that was asked. */
static void names_itself(const char *call, const id *self, u_int object) {
    if (self->object != object)
        fail("%s of %u answers for %u", call, object, self->object);
}

static void quoted(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void print_properties(const properties *all, int indent) {
    for (u_int i = 0; i < all->properties_len; i++) {
        const property *one = &all->properties_val[i];
        printf("%*s", indent, "");
        quoted(one->key);
        printf(" = (");
        for (u_int v = 0; v < one->values.names_len; v++) {
            printf(v == 0 ? " " : ", ");
            quoted(one->values.names_val[v]);
        }
        printf(" );\n");
    }
}

/* LISTPROPS, READPROP and READNAME tell the same as READ, and say where it ends. */
static void read_piecewise(u_int object, const properties *all) {
    names_result keys, values;
    name_result value;
    u_int count = all->properties_len;
    ASK_STATUS(keys, 0, dir_listprops_2(of(object), &keys, server));
    names_itself("LISTPROPS", &keys.names_result_u.found.self, object);
    if (keys.names_result_u.found.list.names_len != count)
        fail("LISTPROPS of %u does not agree with READ", object);
    for (u_int p = 0; p < count; p++) {
        const property *one = &all->properties_val[p];
        if (strcmp(keys.names_result_u.found.list.names_val[p], one->key) != 0)
            fail("LISTPROPS of %u does not agree with READ at %u", object, p);
        ASK_STATUS(values, 0, dir_readprop_2(of(object), p, &values, server));
        names_itself("READPROP", &values.names_result_u.found.self, object);
        if (!same_names(&values.names_result_u.found.list, &one->values))
            fail("READPROP %u of %u does not agree with READ", p, object);
        FREE(names_result, values);
        for (u_int v = 0; v < one->values.names_len; v++) {
            ASK_STATUS(value, 0, dir_readname_2(of(object), p, v, &value, server));
            names_itself("READNAME", &value.name_result_u.found.self, object);
            if (strcmp(value.name_result_u.found.value, one->values.names_val[v]) != 0)
                fail("READNAME %u %u of %u does not agree with READ", p, v, object);
            FREE(name_result, value);
        }
        ASK_STATUS(value, 7, dir_readname_2(of(object), p, one->values.names_len, &value, server));
    }
    FREE(names_result, keys);
    ASK_STATUS(values, 6, dir_readprop_2(of(object), count, &values, server));
    ASK_STATUS(value, 6, dir_readname_2(of(object), count, 0, &value, server));
}

/* Each value of each property of a child finds it, and the first that a look-up finds is the one that LOOKUPREAD reads. */
static void look_up(u_int object, u_int child, const properties *all) {
    for (u_int p = 0; p < all->properties_len; p++) {
        const property *one = &all->properties_val[p];
        if (first(all, one->key) != one)
            continue;
        for (u_int v = 0; v < one->values.names_len; v++) {
            char *value = one->values.names_val[v];
            objects_result found;
            record_result read, leading;
            ASK_STATUS(found, 0, dir_lookup_2(of(object), one->key, value, &found, server));
            names_itself("LOOKUP", &found.objects_result_u.found.self, object);
            if (!among(&found.objects_result_u.found.list, child))
                fail("LOOKUP %s=%s in %u does not find %u", one->key, value, object, child);
            ASK_STATUS(read, 0, dir_lookupread_2(of(object), one->key, value, &read, server));
            names_itself("LOOKUPREAD", &read.record_result_u.read.self, object);
            u_int leader = found.objects_result_u.found.list.objects_val[0];
            ASK_STATUS(leading, 0, dir_read_2(of(leader), &leading, server));
            if (!same_properties(&read.record_result_u.read.all, &leading.record_result_u.read.all))
                fail("LOOKUPREAD %s=%s in %u does not read %u", one->key, value, object, leader);
            FREE(objects_result, found);
            FREE(record_result, read);
            FREE(record_result, leading);
        }
    }
}

/* LISTALL and LIST tell the same of the children as reading each of them. */
static void list(u_int object, const objects *children) {
    records_result all;
    entries_result by_name;
    record_result child;
    parent_result parent;
    u_int count = children->objects_len;
    ASK_STATUS(all, 0, dir_listall_2(of(object), &all, server));
    names_itself("LISTALL", &all.records_result_u.found.self, object);
    ASK_STATUS(by_name, 0, dir_list_2(of(object), (char *)"name", &by_name, server));
    names_itself("LIST", &by_name.entries_result_u.found.self, object);
    if (all.records_result_u.found.list.list_len != count || by_name.entries_result_u.found.list.list_len != count)
        fail("LIST and LISTALL of %u do not agree with CHILDREN", object);
    for (u_int i = 0; i < count; i++) {
        u_int number = children->objects_val[i];
        ASK_STATUS(child, 0, dir_read_2(of(number), &child, server));
        const properties *read = &child.record_result_u.read.all;
        if (!same_properties(&all.records_result_u.found.list.list_val[i], read))
            fail("LISTALL of %u does not agree with READ of %u", object, number);
        const entry *listed = &by_name.entries_result_u.found.list.list_val[i];
        const property *named = first(read, "name");
        int has = named != NULL && named->values.names_len > 0;
        if (listed->object != number || has != (listed->values != NULL) ||
            (has && !same_names(listed->values, &named->values)))
            fail("LIST of %u does not agree with READ of %u", object, number);
        ASK_STATUS(parent, 0, dir_parent_2(of(number), &parent, server));
        if (parent.parent_result_u.found.parent != object || parent.parent_result_u.found.self.object != number)
            fail("PARENT of %u is not %u", number, object);
        look_up(object, number, read);
        FREE(record_result, child);
    }
    FREE(records_result, all);
    FREE(entries_result, by_name);
}

static void visit(u_int object) {
    u_int *more = realloc(visited, (visits + 1) * sizeof *visited);
    if (more == NULL)
        fail("no memory");
    visited = more;
    visited[visits++] = object;
}

void walk(u_int object, int depth) {
    record_result record;
    objects_result below;
    id_result self;
    int indent = 4 * depth + 2;
    visit(object);
    ASK_STATUS(self, 0, dir_self_2(of(object), &self, server));
    names_itself("SELF", &self.id_result_u.self, object);
    ASK_STATUS(record, 0, dir_read_2(of(object), &record, server));
    names_itself("READ", &record.record_result_u.read.self, object);
    if (record.record_result_u.read.self.instance != self.id_result_u.self.instance)
        fail("READ and SELF of %u tell two versions", object);
    read_piecewise(object, &record.record_result_u.read.all);
    ASK_STATUS(below, 0, dir_children_2(of(object), &below, server));
    names_itself("CHILDREN", &below.objects_result_u.found.self, object);
    const objects *children = &below.objects_result_u.found.list;
    list(object, children);

    printf("%*s{\n", indent - 2, "");
    print_properties(&record.record_result_u.read.all, indent);
    if (children->objects_len > 0) {
        printf("%*sCHILDREN = (\n", indent, "");
        for (u_int i = 0; i < children->objects_len; i++) {
            walk(children->objects_val[i], depth + 1);
            printf(i + 1 < children->objects_len ? ",\n" : "\n");
        }
        printf("%*s)\n", indent, "");
    }
    printf("%*s}", indent - 2, "");
    FREE(record_result, record);
    FREE(objects_result, below);
}
