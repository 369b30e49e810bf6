#!/bin/sh
# Runs what is in /docker-entrypoint.d before the server starts, as the public image does.
set -eu

if [ "${1:-}" = nginx ] || [ "${1:-}" = nginx-debug ]; then
  for f in /docker-entrypoint.d/*; do
    case $f in
    *.envsh) [ ! -x "$f" ] || . "$f" ;;
    *.sh) [ ! -x "$f" ] || "$f" ;;
    esac
  done
fi
exec "$@"
