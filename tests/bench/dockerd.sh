# dockerd from unpacked packages ($PACKAGES), with its state in $DIR and its containers' cgroups in $GROUP, in
# a mount and a network namespace that the caller has made.
mount --make-rprivate /
ip link set lo up
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /mnt
mkdir -p /run/lock
for d in usr etc; do
	mkdir -p /mnt/upper/$d /mnt/scratch/$d
	mount -t overlay overlay -o "lowerdir=$PACKAGES/$d:/$d,upperdir=/mnt/upper/$d,workdir=/mnt/scratch/$d" /$d
done
# What the package does when it is installed.
for p in iptables ip6tables; do
	for s in "" -save -restore; do ln -sf xtables-nft-multi /usr/sbin/$p$s; done
done
exec dockerd --data-root "$DIR/data" --exec-root "$DIR/run" -p "$DIR/docker.pid" -H "unix://$DIR/docker.sock" --cgroup-parent "$GROUP"
