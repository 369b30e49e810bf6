/* Asks c-ares for a name: ares any|4|6 NAME. It prints the addresses, or why there are none. */
#include <ares.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

static int result = 64;

static void done(void *arg, int status, int timeouts, struct ares_addrinfo *list) {
  struct ares_addrinfo_node *a;
  char text[INET6_ADDRSTRLEN];

  (void)arg;
  if (timeouts > 0) printf("%d timeouts\n", timeouts);
  if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
    puts("none");
    result = 1;
    return;
  }
  if (status != ARES_SUCCESS) {
    puts("again");
    result = 2;
    return;
  }
  for (a = list->nodes; a != NULL; a = a->ai_next) {
    const void *ip = a->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr
                                             : (void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr;
    puts(inet_ntop(a->ai_family, ip, text, sizeof text));
  }
  ares_freeaddrinfo(list);
  result = 0;
}

int main(int argc, char **argv) {
  struct ares_addrinfo_hints hints;
  ares_channel channel;

  if (argc != 3 || ares_library_init(ARES_LIB_INIT_ALL) != 0 || ares_init(&channel) != 0) return 64;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = argv[1][0] == '4' ? AF_INET : argv[1][0] == '6' ? AF_INET6 : AF_UNSPEC;
  ares_getaddrinfo(channel, argv[2], NULL, &hints, done, NULL);
  for (;;) {
    struct timeval tv, *wait;
    fd_set in, out;
    int n;

    FD_ZERO(&in);
    FD_ZERO(&out);
    n = ares_fds(channel, &in, &out);
    if (n == 0) break;
    wait = ares_timeout(channel, NULL, &tv);
    select(n, &in, &out, NULL, wait);
    ares_process(channel, &in, &out);
  }
  ares_destroy(channel);
  return result;
}
