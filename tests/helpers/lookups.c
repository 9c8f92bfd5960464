/* Append each name that a process looks up to the file $LOOKUPS. With LOOKUPS_REFUSED=1, no name is found. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef int Lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static void record(const char *name, const char *path)
{
    char line[512];
    int length = snprintf(line, sizeof line, "%s\n", name);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0 || write(file, line, length) != length)
        abort();
    close(file);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    Lookup *lookup = (Lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
    struct addrinfo *address = NULL;
    int is_address = !name || lookup(name, NULL, &numeric, &address) == 0;
    if (address)
        freeaddrinfo(address);
    if (!is_address && getenv("LOOKUPS"))
        record(name, getenv("LOOKUPS"));
    if (!is_address && getenv("LOOKUPS_REFUSED"))
        return EAI_NONAME;
    return lookup(name, service, hints, found);
}
