#!/bin/bash
# Makes the database on first start, then runs the server as the user postgres, with the interface of the public image:
#   POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, POSTGRES_USER, POSTGRES_DB (each also as _FILE), POSTGRES_INITDB_ARGS,
#   POSTGRES_HOST_AUTH_METHOD, PGDATA, and /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz} in the order of their names.
set -euo pipefail

# from_file NAME DEFAULT sets NAME from itself, from the file that NAME_FILE names, or from the default.
from_file() {
  local file_var=$1_FILE
  if [[ -n ${!1:-} && -n ${!file_var:-} ]]; then
    echo "error: both $1 and $file_var are set, but are exclusive" >&2
    exit 1
  fi
  local value=${!1:-$2}
  [[ -z ${!file_var:-} ]] || value=$(<"${!file_var}")
  export "$1=$value"
  unset "$file_var"
}

make_database() {
  if [[ -z $POSTGRES_PASSWORD && ${POSTGRES_HOST_AUTH_METHOD:-} != trust ]]; then
    cat >&2 <<'TEXT'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.
TEXT
    exit 1
  fi
  local initdb_args=()
  read -ra initdb_args <<<"${POSTGRES_INITDB_ARGS:-}"
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${initdb_args[@]}"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

sql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"
}

fill_database() {
  PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p ${PGPORT:-5432}" -w start
  if [[ $POSTGRES_DB != postgres ]]; then
    sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  local f
  for f in /docker-entrypoint-initdb.d/*; do
    case $f in
    *.sh) if [[ -x $f ]]; then "$f"; else . "$f"; fi ;;
    *.sql) sql --dbname "$POSTGRES_DB" -f "$f" ;;
    *.sql.gz) gunzip -c "$f" | sql --dbname "$POSTGRES_DB" ;;
    *) continue ;;
    esac
    echo "$0: ran $f"
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

[[ ${1:-} != -* ]] || set -- postgres "$@"

if [[ ${1:-} == postgres ]]; then
  if [[ $(id -u) == 0 ]]; then
    mkdir -p "$PGDATA" /run/postgresql
    chmod 0700 "$PGDATA"
    chmod 3777 /run/postgresql
    find "$PGDATA" /run/postgresql ! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
  from_file POSTGRES_PASSWORD ''
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  if [[ -s $PGDATA/PG_VERSION ]]; then
    printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
  else
    make_database
    export PGPASSWORD=$POSTGRES_PASSWORD
    fill_database
    unset PGPASSWORD
  fi
fi
exec "$@"
