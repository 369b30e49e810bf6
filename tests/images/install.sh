# Installs PACKAGES over BASE and leaves what has changed in UPPER. Runs in a mount namespace of its own, so that
# its mounts end with it. FILES are laid over the result, SETUP is run inside.
mount -t overlay overlay \
  -o "lowerdir=$BASE,upperdir=$UPPER,workdir=$WORK,index=off,metacopy=off,redirect_dir=off" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"

# No package may start its service in here, nor make a database cluster or a certificate.
printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
chmod 0755 "$ROOT/usr/sbin/policy-rc.d"
mkdir -p "$ROOT/etc/postgresql-common"
echo 'create_main_cluster = false' >"$ROOT/etc/postgresql-common/createcluster.conf"

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$ROOT" apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 $PACKAGES
rm "$ROOT/usr/sbin/policy-rc.d" "$ROOT/etc/postgresql-common/createcluster.conf"
rmdir --ignore-fail-on-non-empty "$ROOT/etc/postgresql-common"

cp -R "$FILES/." "$ROOT/"
chroot "$ROOT" sh -euc "$SETUP"
