package plan

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func stackOf(services ...engine.Service) engine.Stack {
	s := engine.Stack{
		Name:     "demo",
		Services: services,
		Networks: []engine.NetworkSpec{{Key: "default", Name: "demo_default", Hash: "n1"}},
		Volumes:  []engine.VolumeSpec{{Key: "data", Name: "demo_data", Hash: "v1"}},
	}
	return s
}

func service(name string, deps ...engine.Dependency) engine.Service {
	return engine.Service{
		Name: name, Hash: "h1", Scale: 1, DependsOn: deps,
		Container: engine.ContainerSpec{Image: "img", Endpoints: []engine.EndpointSpec{{Network: "default"}}},
	}
}

func container(service string, number int, status engine.Status) engine.Container {
	c := engine.Container{
		ID: service + "-id", Name: "demo-" + service + "-" + strconv.Itoa(number), Project: "demo", Service: service, Number: number,
		ImageID: "sha256:img", Endpoints: map[string]engine.Endpoint{"demo_default": {NetworkID: "net"}},
	}
	c.Spec.Labels = map[string]string{engine.LabelHash: "h1"}
	c.State.Status = status
	return c
}

func observed(cs ...engine.Container) *Observed {
	return &Observed{
		Containers: cs,
		Networks:   map[string]engine.Network{"demo_default": {ID: "net", Project: "demo", Spec: engine.NetworkSpec{Name: "demo_default", Key: "default", Hash: "n1"}}},
		Volumes:    map[string]engine.Volume{},
		Images:     map[string]string{"img": "sha256:img"},
	}
}

func needs(service string, c engine.Condition) engine.Dependency {
	return engine.Dependency{Service: service, Condition: c}
}

func TestUp(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		req  engine.UpRequest
		obs  *Observed
		want string
	}{
		"from nothing, a dependent waits for health": {
			req: engine.UpRequest{Stack: stackOf(service("db"), service("web", needs("db", engine.ConditionHealthy)))},
			obs: &Observed{},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-db-1 (not there) after #2
#4 create container demo-web-1 (not there) after #2
#5 start container demo-db-1 (created) after #1 #3
#6 await demo-db-1 healthy (for web) after #5
#7 start container demo-web-1 (created) after #1 #4 #6
`,
		},
		"nothing to do": {
			req:  engine.UpRequest{Stack: stackOf(service("db"))},
			obs:  observed(container("db", 1, engine.StatusRunning)),
			want: "",
		},
		"an exited container is started again": {
			req:  engine.UpRequest{Stack: stackOf(service("db"))},
			obs:  observed(container("db", 1, engine.StatusExited)),
			want: "#1 start container demo-db-1 (exited)\n",
		},
		"a forced recreate makes the new one before the old one goes": {
			req: engine.UpRequest{Stack: stackOf(service("db")), ForceRecreate: true},
			obs: observed(container("db", 1, engine.StatusRunning)),
			want: `#1 create container demo-db-1 (forced)
#2 stop container demo-db-1 (replaced) after #1
#3 remove container demo-db-1 (replaced) after #1 #2
#4 rename container demo-db-1 (replaced) after #3
#5 start container demo-db-1 (created) after #4
`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Up(&tt.req, tt.obs)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, p.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
