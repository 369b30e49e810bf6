package images

import (
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// epoch is the newest time in any image, so that the same files make the same layer on another day.
var epoch = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

// recipe is an image made of Debian packages on top of the slim base.
type recipe struct {
	name     string // below library/
	tags     []string
	packages []string
	setup    string // shell, run as root inside
	docker   bool   // Docker's media types in place of OCI's
	attested bool   // in an index, with a statement of its origin
	config   ocispec.ImageConfig
}

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

var base = recipe{
	name:   "debian",
	tags:   []string{"latest", "stable", "stable-slim"},
	config: ocispec.ImageConfig{Env: []string{searchPath}, Cmd: []string{"bash"}},
}

// recipes carry the tags that public samples ask for, whatever version Debian has.
var recipes = []recipe{
	{
		name:     "nginx",
		tags:     []string{"latest", "alpine", "stable", "stable-alpine", "mainline", "1", "1-alpine"},
		packages: []string{"nginx-light", "gettext-base", "curl"},
		attested: true,
		setup: `
			useradd --system --uid 101 --home-dir /nonexistent --no-create-home --shell /bin/false nginx
			ln -sf /dev/stdout /var/log/nginx/access.log
			ln -sf /dev/stderr /var/log/nginx/error.log
			rm -rf /etc/nginx/sites-enabled /etc/nginx/sites-available /var/www/html`,
		config: ocispec.ImageConfig{
			Env:          []string{searchPath},
			Entrypoint:   []string{"/docker-entrypoint.sh"},
			Cmd:          []string{"nginx", "-g", "daemon off;"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}},
			StopSignal:   "SIGQUIT",
		},
	},
	{
		name:     "redis",
		tags:     []string{"latest", "alpine", "6", "6-alpine", "7", "7-alpine", "8", "8-alpine"},
		packages: []string{"redis-server"},
		docker:   true,
		setup: `
			usermod --home /data redis
			mkdir -p /data
			chown redis:redis /data`,
		config: ocispec.ImageConfig{
			Env:          []string{searchPath},
			Entrypoint:   []string{"docker-entrypoint.sh"},
			Cmd:          []string{"redis-server"},
			ExposedPorts: map[string]struct{}{"6379/tcp": {}},
			Volumes:      map[string]struct{}{"/data": {}},
			WorkingDir:   "/data",
		},
	},
	{
		name: "postgres",
		tags: []string{
			"latest", "alpine", "13", "14", "15", "16", "17", "18",
			"13-alpine", "14-alpine", "15-alpine", "16-alpine", "17-alpine", "18-alpine",
		},
		packages: []string{"postgresql"},
		setup: `
			for d in /usr/lib/postgresql/*; do version=${d##*/}; done
			ln -s "$version" /usr/lib/postgresql/current
			sed -ri "s/^#?(listen_addresses) *=.*/\1 = '*'/" "/usr/share/postgresql/$version/postgresql.conf.sample"
			usermod --home /var/lib/postgresql postgres
			mkdir -p /docker-entrypoint-initdb.d /run/postgresql /var/lib/postgresql/data
			chown -R postgres:postgres /run/postgresql /var/lib/postgresql
			chmod 3777 /run/postgresql
			chmod 1777 /var/lib/postgresql/data`,
		config: ocispec.ImageConfig{
			Env: []string{
				"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/current/bin",
				"LANG=C.UTF-8",
				"PGDATA=/var/lib/postgresql/data",
			},
			Entrypoint:   []string{"docker-entrypoint.sh"},
			Cmd:          []string{"postgres"},
			ExposedPorts: map[string]struct{}{"5432/tcp": {}},
			Volumes:      map[string]struct{}{"/var/lib/postgresql/data": {}},
			StopSignal:   "SIGINT",
		},
	},
	{
		name:     "clients", // nobody's but ours: the programs that talk to the servers above, and a server that counts bytes
		tags:     []string{"latest"},
		packages: []string{"curl", "iperf3", "postgresql-client", "redis-tools"},
		config:   ocispec.ImageConfig{Env: []string{searchPath}, Cmd: []string{"iperf3", "--server"}},
	},
}
