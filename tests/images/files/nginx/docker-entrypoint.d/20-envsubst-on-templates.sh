#!/bin/sh
# Fills the variables of the environment into /etc/nginx/templates/NAME.template and writes /etc/nginx/conf.d/NAME.
set -eu

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
[ -d "$templates" ] || exit 0

# Only variables that are set: nginx has a $host of its own.
names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
find "$templates" -name '*.template' | while read -r t; do
  to=$output/${t#"$templates"/}
  to=${to%.template}
  mkdir -p "$(dirname "$to")"
  envsubst "$names" <"$t" >"$to"
done
