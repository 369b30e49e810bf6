package clients

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// swarmMethods are refused as by dockerd that is in no swarm, and plugins by our own word.
var swarmMethods = []method{
	{"ConfigCreate", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ConfigCreate(ctx, client.ConfigCreateOptions{}))
	}},
	{"ConfigInspect", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ConfigInspect(ctx, "a", client.ConfigInspectOptions{}))
	}},
	{"ConfigList", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ConfigList(ctx, client.ConfigListOptions{}))
	}},
	{"ConfigRemove", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ConfigRemove(ctx, "a", client.ConfigRemoveOptions{}))
	}},
	{"ConfigUpdate", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ConfigUpdate(ctx, "a", client.ConfigUpdateOptions{}))
	}},
	{"SecretInspect", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SecretInspect(ctx, "a", client.SecretInspectOptions{}))
	}},
	{"SecretList", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SecretList(ctx, client.SecretListOptions{}))
	}},
	{"SecretRemove", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SecretRemove(ctx, "a", client.SecretRemoveOptions{}))
	}},
	{"SecretUpdate", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SecretUpdate(ctx, "a", client.SecretUpdateOptions{}))
	}},
	{"SecretCreate", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SecretCreate(ctx, client.SecretCreateOptions{}))
	}},
	{"NodeInspect", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.NodeInspect(ctx, "a", client.NodeInspectOptions{}))
	}},
	{"NodeRemove", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.NodeRemove(ctx, "a", client.NodeRemoveOptions{}))
	}},
	{"NodeUpdate", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.NodeUpdate(ctx, "a", client.NodeUpdateOptions{}))
	}},
	{"ServiceInspect", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ServiceInspect(ctx, "a", client.ServiceInspectOptions{}))
	}},
	{"ServiceRemove", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ServiceRemove(ctx, "a", client.ServiceRemoveOptions{}))
	}},
	{"ServiceLogs", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ServiceLogs(ctx, "a", client.ServiceLogsOptions{}))
	}},
	{"TaskInspect", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.TaskInspect(ctx, "a", client.TaskInspectOptions{}))
	}},
	{"TaskLogs", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.TaskLogs(ctx, "a", client.TaskLogsOptions{}))
	}},
	{"NodeList", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.NodeList(ctx, client.NodeListOptions{}))
	}},
	{"ServiceList", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ServiceList(ctx, client.ServiceListOptions{}))
	}},
	{"TaskList", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.TaskList(ctx, client.TaskListOptions{}))
	}},
	{"SwarmInit", noSwarmMode, func(ctx context.Context, w *world) error {
		return asked(w.SwarmInit(ctx, client.SwarmInitOptions{}))
	}},
	{"SwarmInspect", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SwarmInspect(ctx, client.SwarmInspectOptions{}))
	}},
	{"SwarmJoin", noSwarmMode, func(ctx context.Context, w *world) error {
		return asked(w.SwarmJoin(ctx, client.SwarmJoinOptions{}))
	}},
	{"SwarmLeave", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SwarmLeave(ctx, client.SwarmLeaveOptions{}))
	}},
	{"SwarmUnlock", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SwarmUnlock(ctx, client.SwarmUnlockOptions{}))
	}},
	{"SwarmUpdate", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.SwarmUpdate(ctx, client.SwarmUpdateOptions{}))
	}},
	{"ServiceCreate", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ServiceCreate(ctx, client.ServiceCreateOptions{Spec: swarm.ServiceSpec{TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "busybox"}}}}))
	}},
	{"ServiceUpdate", noSwarm, func(ctx context.Context, w *world) error {
		return asked(w.ServiceUpdate(ctx, "a", client.ServiceUpdateOptions{Spec: swarm.ServiceSpec{TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "busybox"}}}}))
	}},
	{"SwarmGetUnlockKey", noSwarm, func(ctx context.Context, w *world) error { return asked(w.SwarmGetUnlockKey(ctx)) }},
	{"PluginList", "", func(ctx context.Context, w *world) error {
		return asked(w.PluginList(ctx, client.PluginListOptions{}))
	}},
	{"PluginDisable", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginDisable(ctx, "a", client.PluginDisableOptions{}))
	}},
	{"PluginEnable", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginEnable(ctx, "a", client.PluginEnableOptions{}))
	}},
	{"PluginInspect", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginInspect(ctx, "a", client.PluginInspectOptions{}))
	}},
	{"PluginPush", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginPush(ctx, "a", client.PluginPushOptions{}))
	}},
	{"PluginRemove", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginRemove(ctx, "a", client.PluginRemoveOptions{}))
	}},
	{"PluginSet", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginSet(ctx, "a", client.PluginSetOptions{}))
	}},
	{"PluginCreate", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginCreate(ctx, tarOf("a", "x"), client.PluginCreateOptions{RepoName: "a"}))
	}},
	{"PluginInstall", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginInstall(ctx, "a", client.PluginInstallOptions{RemoteRef: "docker.io/library/a:latest", AcceptAllPermissions: true}))
	}},
	{"PluginUpgrade", "501 plugins", func(ctx context.Context, w *world) error {
		return asked(w.PluginUpgrade(ctx, "a", client.PluginUpgradeOptions{RemoteRef: "docker.io/library/a:latest", AcceptAllPermissions: true}))
	}},
}
