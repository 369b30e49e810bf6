// Package hash has docker compose's hashes of what a project defines.
//
// A container, network or volume that was made with another one diverged.
package hash

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
)

// ordered are the attributes of a service in the order in which docker compose (5.x,
// compose-go 2.14) has them when it computes the config hash. compose-go 2.16 has
// another order, and a hash that changes with the library would recreate every
// container, so the order is ours to keep. Attributes that came later go to the end.
var ordered = []string{
	"Profiles",
	"Annotations", "Attach", "Build", "Develop", "BlkioConfig", "CapAdd", "CapDrop", "CgroupParent", "Cgroup",
	"CPUCount", "CPUPercent", "CPUPeriod", "CPUQuota", "CPURTPeriod", "CPURTRuntime", "CPUS", "CPUSet", "CPUShares",
	"Command", "Configs", "ContainerName", "CredentialSpec", "DependsOn", "Deploy", "DeviceCgroupRules", "Devices",
	"DNS", "DNSOpts", "DNSSearch", "Dockerfile", "DomainName", "Entrypoint", "Provider", "Environment", "EnvFiles",
	"Expose", "Extends", "ExternalLinks", "ExtraHosts", "GroupAdd", "Gpus", "Hostname", "HealthCheck", "Image",
	"Init", "Ipc", "Isolation", "Labels", "LabelFiles", "Links", "Logging", "LogDriver", "LogOpt", "MemLimit",
	"MemReservation", "MemSwapLimit", "MemSwappiness", "MacAddress", "Models", "Net", "NetworkMode", "Networks",
	"OomKillDisable", "OomScoreAdj", "Pid", "PidsLimit", "Platform", "Ports", "Privileged", "PullPolicy", "ReadOnly",
	"Restart", "Runtime", "Scale", "Secrets", "SecurityOpt", "ShmSize", "StdinOpen", "StopGracePeriod", "StopSignal",
	"StorageOpt", "Sysctls", "Tmpfs", "Tty", "Ulimits", "UseAPISocket", "User", "UserNSMode", "Uts", "VolumeDriver",
	"Volumes", "VolumesFrom", "WorkingDir", "PreStart", "PostStart", "PreStop",
	"PullRefreshAfter", "Umask", "Extensions",
}

// layout is a struct of the ordered attributes, and where each is found in a service.
type layout struct {
	of   reflect.Type
	from [][]int
}

var serviceLayout = sync.OnceValue(func() layout {
	service := reflect.TypeFor[types.ServiceConfig]()
	var fields []reflect.StructField
	var out layout
	for _, name := range ordered {
		f, ok := service.FieldByName(name)
		if !ok {
			continue
		}
		fields = append(fields, reflect.StructField{Name: name, Type: f.Type, Tag: f.Tag})
		out.from = append(out.from, f.Index)
	}
	out.of = reflect.StructOf(fields)
	return out
})

// InOrder is the service as a struct whose fields have docker compose's order.
func InOrder(s types.ServiceConfig) any {
	shape := serviceLayout()
	from, to := reflect.ValueOf(s), reflect.New(shape.of).Elem()
	for i, index := range shape.from {
		to.Field(i).Set(from.FieldByIndex(index))
	}
	return to.Interface()
}

// Service is docker compose's config-hash: sha256 over the JSON of the service
// without what does not change a container.
func Service(s types.ServiceConfig) string {
	s.Build = nil
	s.PullPolicy = ""
	s.Scale = nil
	if s.Deploy != nil {
		deploy := *s.Deploy
		deploy.Replicas = nil
		s.Deploy = &deploy
	}
	s.DependsOn = nil
	s.Profiles = nil
	return hashOf(InOrder(s))
}

// Network is the hash of a network's definition.
func Network(n types.NetworkConfig) string { return hashOf(&n) }

// Volume is the hash of a volume's definition.
func Volume(v types.VolumeConfig) string {
	if v.Driver == "" {
		v.Driver = "local"
	}
	return hashOf(v)
}

func hashOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // compose-go's model is made for JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
