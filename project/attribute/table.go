package attribute

// table is the source of what happens with each attribute of the Compose
// specification. A test compares it with compose-go's schema, and makes docs/compose.md
// from it (UPDATE=1). "Done" means that it reaches the engine in the Stack.
func table() []row { //nolint:funlen // data
	return []row{
		{names: "name services networks volumes configs secrets include"},
		{names: "version", fate: Warn, why: "is obsolete"},
		{names: "jobs", why: "run by tiffin run JOB, and by the clock after up (docs/beyond.md)"},
		{parent: "jobs", names: "*", like: "services.*", why: "all that a service with one container is made of, as for services"},
		{parent: "jobs.*", names: "triggers profiles"},
		{parent: "jobs.*.triggers", names: "manual", why: "false refuses tiffin run"},
		{parent: "jobs.*.triggers", names: "schedule"},
		{parent: "jobs.*.triggers.schedule.[]", names: "cron", why: "five fields, or @daily and the like"},
		{parent: "jobs.*.triggers.schedule.[]", names: "timezone concurrency missed_fires"},
		{names: "models", fate: Warn, why: "are not carried out: tiffin runs no language models"},
		{parent: "include.[]", names: "path project_directory env_file", why: "local files, oci:// and git"},

		// The image and what runs in it.
		{parent: "services.*", names: "image platform pull_policy pull_refresh_after"},
		{parent: "services.*", names: "build", why: "the image is called as in image, or PROJECT-SERVICE"},
		{
			parent: "services.*.build", names: "context",
			why: "a folder, a git or http(s) URL, or - for standard input; a local one is looked at when it is built",
		},
		{parent: "services.*.build", names: "dockerfile dockerfile_inline args target tags labels no_cache no_cache_filter pull"},
		{
			parent: "services.*.build", names: "additional_contexts",
			why: "folders, URLs, docker-image://, oci-layout://, service:NAME, which is built before and needs no profile",
		},
		{parent: "services.*.build", names: "cache_from", why: "types: registry, local; gha, s3 and azblob are left out, with a warning"},
		{parent: "services.*.build", names: "cache_to", why: "types: registry, local, inline; gha, s3 and azblob are left out, with a warning"},
		{parent: "services.*.build", names: "platforms", why: "the service's platform when there are none"},
		{parent: "services.*.build", names: "network", why: "default, none, host; others are refused when it is built"},
		{parent: "services.*.build", names: "extra_hosts shm_size ulimits provenance sbom"},
		{parent: "services.*.build", names: "ssh", why: "an agent's socket, or keys with commas between them; nothing is the caller's agent"},
		{parent: "services.*.build", names: "entitlements", why: "network.host, security.insecure; others are refused when it is built"},
		{parent: "services.*.build", names: "privileged", why: "asks for the entitlement security.insecure"},
		{parent: "services.*.build", names: "isolation", fate: Warn, why: "is for Windows and is left out", unless: "default"},
		{parent: "services.*.build", names: "secrets", why: "from files and environment variables"},
		{parent: "services.*.build.secrets.[]", names: "source target", why: "target is the id in RUN --mount=type=secret,id="},
		{
			parent: "services.*.build.secrets.[]", names: "uid gid mode", fate: Warn,
			why: "is for the Dockerfile to say, RUN --mount=type=secret,uid=…,mode=…, and is left out",
		},
		{parent: "services.*.build.ulimits.*", names: "soft hard"},
		{parent: "services.*", names: "command entrypoint working_dir user group_add umask init tty stdin_open"},
		{parent: "services.*", names: "environment env_file"},
		{parent: "services.*.env_file.[]", names: "path required format", why: "format: raw is known"},
		{parent: "services.*", names: "hostname domainname container_name labels label_file annotations"},
		{parent: "services.*", names: "runtime", why: "runc and tiffin mean tiffin's own; others are refused"},
		{parent: "services.*", names: "isolation", fate: Warn, why: "is for Windows and is left out", unless: "default"},
		{parent: "services.*", names: "credential_spec", fate: Warn, why: "is for Windows and is left out"},
		{
			parent: "services.*", names: "use_api_socket",
			why: "the engine's socket at /var/run/docker.sock, the caller's logins in DOCKER_CONFIG; up warns: the service is root on the host",
		},

		// Its life.
		{parent: "services.*", names: "restart stop_signal stop_grace_period scale attach profiles"},
		{parent: "services.*", names: "extends"},
		{parent: "services.*.extends", names: "service file", why: "local files, oci:// and git"},
		{parent: "services.*", names: "healthcheck", why: "x-ready can be in its place: the engine looks itself ([beyond.md](beyond.md))"},
		{parent: "services.*.healthcheck", names: "test interval timeout retries start_period start_interval disable"},
		{parent: "services.*", names: "depends_on"},
		{parent: "services.*.depends_on.*", names: "condition restart required"},
		{parent: "services.*", names: "post_start pre_stop"},
		{parent: "services.*.post_start.[]", names: "command user privileged working_dir environment"},
		{parent: "services.*.pre_stop.[]", names: "command user privileged working_dir environment"},
		{parent: "services.*", names: "pre_start", why: "containers that have to succeed before the service is started"},
		{
			parent: "services.*.pre_start", names: "[]", like: "services.*",
			why: "all that the container of a service is made of, as for services; what is not said is the service's, with its volumes",
		},
		{parent: "services.*.pre_start.[]", names: "per_replica", why: "before each replica rather than once when none runs"},
		{
			parent: "services.*", names: "provider",
			why: "a program of the caller's, which is run before the containers; what else its service says has no effect, with a warning",
		},
		{parent: "services.*.provider", names: "type", why: "a plugin of docker's, or a program in PATH"},
		{parent: "services.*.provider", names: "options"},
		{parent: "services.*", names: "models", fate: Refuse, why: "is not carried out: tiffin runs no language models"},
		{parent: "services.*", names: "develop", why: "by watch and up --watch"},
		{parent: "services.*.develop", names: "watch"},
		{parent: "services.*.develop.watch.[]", names: "path action target ignore include initial_sync exec"},
		{parent: "services.*.develop.watch.[].exec", names: "command user privileged working_dir environment"},
		{parent: "services.*", names: "logging"},
		{parent: "services.*.logging", names: "driver options", why: "drivers: json-file, local, none; others are refused"},

		// The network.
		{parent: "services.*", names: "network_mode", why: "bridge, host, none, service:, container:"},
		{parent: "services.*", names: "networks mac_address"},
		{parent: "services.*.networks.*", names: "aliases ipv4_address ipv6_address link_local_ips mac_address " +
			"interface_name gw_priority priority use_service_name_alias"},
		{
			parent: "services.*.networks.*", names: "driver_opts",
			why: "com.docker.network.endpoint.ifname and .sysctls; others are refused when the container is created",
		},
		{parent: "services.*", names: "ports expose"},
		{parent: "services.*.ports.[]", names: "target published host_ip protocol name app_protocol"},
		{parent: "services.*.ports.[]", names: "mode", why: "host and ingress are the same on one host"},
		{parent: "services.*", names: "dns dns_opt dns_search extra_hosts links"},
		{parent: "services.*", names: "external_links", why: "to containers that are on one of the service's networks; others are refused when it is created"},

		// Storage.
		{parent: "services.*", names: "volumes volumes_from tmpfs configs secrets read_only shm_size"},
		{
			parent: "services.*.volumes.[]", names: "type source target read_only bind volume tmpfs image",
			why: "types: bind, volume, tmpfs, image; npipe and cluster are refused",
		},
		{parent: "services.*.volumes.[]", names: "consistency", why: "has no effect on Linux"},
		{parent: "services.*.volumes.[].bind", names: "create_host_path propagation recursive selinux"},
		{parent: "services.*.volumes.[].volume", names: "nocopy subpath"},
		{parent: "services.*.volumes.[].volume", names: "labels", why: "of an anonymous volume; a named one has its own, as with docker compose"},
		{parent: "services.*.volumes.[].tmpfs", names: "size mode"},
		{parent: "services.*.volumes.[].image", names: "subpath"},
		{parent: "services.*.configs.[]", names: "source target uid gid mode"},
		{parent: "services.*.secrets.[]", names: "source target uid gid mode"},
		{parent: "services.*", names: "storage_opt", fate: Warn, why: "is not carried out yet: the size is not limited"},

		// Privileges and namespaces.
		{parent: "services.*", names: "privileged cap_add cap_drop sysctls devices device_cgroup_rules"},
		{
			parent: "services.*", names: "security_opt",
			why: "no-new-privileges, seccomp, apparmor, label, systempaths, writable-cgroups",
		},
		{parent: "services.*.devices.[]", names: "source target permissions", why: "paths, or CDI names"},
		{parent: "services.*", names: "gpus", why: "as CDI describes them: nvidia.com/gpu, amd.com/gpu"},
		{parent: "services.*.gpus.[]", names: "driver count device_ids capabilities options"},
		{parent: "services.*", names: "pid ipc uts userns_mode cgroup cgroup_parent"},

		// Resources.
		{parent: "services.*", names: "cpus cpu_period cpu_quota cpu_shares cpuset cpu_rt_period cpu_rt_runtime"},
		{
			parent: "services.*", names: "cpu_count cpu_percent", fate: Warn,
			why: "is for Windows and is left out: use cpus", unless: "0",
		},
		{parent: "services.*", names: "mem_limit mem_reservation memswap_limit mem_swappiness oom_kill_disable oom_score_adj " +
			"pids_limit ulimits"},
		{parent: "services.*.ulimits.*", names: "soft hard"},
		{parent: "services.*", names: "blkio_config"},
		{parent: "services.*.blkio_config", names: "weight weight_device " +
			"device_read_bps device_read_iops device_write_bps device_write_iops"},
		{parent: "services.*.blkio_config", names: "weight_device.[].path weight_device.[].weight " +
			"device_read_bps.[].path device_read_bps.[].rate device_read_iops.[].path device_read_iops.[].rate " +
			"device_write_bps.[].path device_write_bps.[].rate device_write_iops.[].path device_write_iops.[].rate"},

		// deploy.
		{parent: "services.*", names: "deploy"},
		{parent: "services.*.deploy", names: "replicas restart_policy resources"},
		{parent: "services.*.deploy", names: "labels", why: "of the service, not of its containers"},
		{parent: "services.*.deploy.restart_policy", names: "condition delay max_attempts window"},
		{parent: "services.*.deploy.resources", names: "limits reservations"},
		{parent: "services.*.deploy.resources.limits", names: "cpus memory pids"},
		{parent: "services.*.deploy.resources.reservations", names: "memory"},
		{
			parent: "services.*.deploy.resources.reservations", names: "cpus generic_resources", fate: Warn,
			why: "has no meaning on one host and is left out",
		},
		{parent: "services.*.deploy.resources.reservations", names: "devices", why: "as gpus"},
		{parent: "services.*.deploy.resources.reservations.devices.[]", names: "driver count device_ids capabilities options"},
		{
			parent: "services.*.deploy", names: "mode", fate: Warn, why: "has no meaning on one host and is left out",
			unless: "replicated",
		},
		{
			parent: "services.*.deploy", names: "placement endpoint_mode", fate: Warn,
			why: "has no meaning on one host and is left out",
		},
		{
			parent: "services.*.deploy", names: "update_config",
			why: "how up replaces replicas that changed; without it all at once",
		},
		{
			parent: "services.*.deploy", names: "rollback_config",
			why: "for failure_action: rollback, which brings the old containers back",
		},
		{parent: "services.*.deploy.update_config", names: "parallelism delay monitor max_failure_ratio failure_action"},
		{
			parent: "services.*.deploy.update_config", names: "order",
			why: "start-first gives new replicas numbers of their own; it is stop-first, with a warning, where an old and a new one cannot both be there",
		},
		{parent: "services.*.deploy.rollback_config", names: "parallelism delay monitor max_failure_ratio failure_action order"},

		// The top of the file.
		{
			parent: "networks.*", names: "name driver external internal attachable enable_ipv4 enable_ipv6 labels ipam",
			why: "drivers: bridge, host, none, macvlan, ipvlan; others are refused",
		},
		{parent: "networks.*", names: "driver_opts", why: "those of docs/networks.md; others are refused when the network is created"},
		{parent: "networks.*.external", names: "name"},
		{parent: "networks.*.ipam", names: "driver config", why: "the driver is default"},
		{parent: "networks.*.ipam", names: "options", fate: Warn, why: "is not carried out"},
		{parent: "networks.*.ipam.config.[]", names: "subnet gateway ip_range aux_addresses"},
		{parent: "volumes.*", names: "name driver driver_opts external labels", why: "the driver is local"},
		{parent: "volumes.*.external", names: "name"},
		{parent: "configs.*", names: "name file content environment"},
		{parent: "configs.*", names: "labels", fate: Warn, why: "is not kept: configs are no objects of their own"},
		{
			parent: "configs.*", names: "external", fate: Refuse, unless: "false",
			why: "is not carried out: only secrets have a store; take it from a file, content or an environment variable, or make it a secret",
		},
		{parent: "configs.*", names: "template_driver", fate: Refuse, why: "is not carried out"},
		{parent: "secrets.*", names: "name file environment"},
		{parent: "secrets.*", names: "labels", fate: Warn, why: "is not kept: secrets are no objects of their own"},
		{parent: "secrets.*", names: "external", why: "in the engine's store, see tiffin secret"},
		{parent: "secrets.*.external", names: "name"},
		{parent: "secrets.*", names: "driver driver_opts template_driver", fate: Refuse, why: "is not carried out"},
	}
}
