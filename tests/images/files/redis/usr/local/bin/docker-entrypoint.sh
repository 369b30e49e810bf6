#!/bin/sh
# Starts redis-server as the user redis, as the public image does: options or a .conf file may be given alone.
set -eu

case ${1:-} in
-* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ]; then
  if [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
  fi
  umask 0077
  # The public image is compiled without protected mode: neighbours may connect.
  case " $* " in
  *" --protected-mode "* | *".conf "*) ;;
  *) set -- "$@" --protected-mode no ;;
  esac
fi
exec "$@"
