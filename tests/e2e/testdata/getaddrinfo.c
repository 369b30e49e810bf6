/* Asks the C library for a name: getaddrinfo any|4|6 NAME. It prints the addresses, or why there are none. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  struct addrinfo hints, *list, *a;
  char text[INET6_ADDRSTRLEN];
  int err;

  if (argc != 3) return 64;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = argv[1][0] == '4' ? AF_INET : argv[1][0] == '6' ? AF_INET6 : AF_UNSPEC;
  err = getaddrinfo(argv[2], NULL, &hints, &list);
  if (err == EAI_AGAIN) { /* nobody has answered, or only with an error */
    puts("again");
    return 2;
  }
  if (err != 0) {
    puts("none");
    return 1;
  }
  for (a = list; a != NULL; a = a->ai_next) {
    const void *ip = a->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr
                                             : (void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr;
    puts(inet_ntop(a->ai_family, ip, text, sizeof text));
  }
  return 0;
}
