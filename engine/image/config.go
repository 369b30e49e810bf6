package image

import (
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

// configFile is an image's config: the OCI image spec's, and Docker's additions to it.
type configFile struct {
	Created *time.Time `json:"created,omitempty"`
	Author  string     `json:"author,omitempty"`
	ocispec.Platform
	Config  runConfig         `json:"config"`
	RootFS  rootFS            `json:"rootfs"`
	History []ocispec.History `json:"history,omitempty"`
}

type rootFS struct {
	Type    string          `json:"type"`
	DiffIDs []digest.Digest `json:"diff_ids"`
}

type runConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	Shell        []string            `json:"Shell,omitempty"`
	OnBuild      []string            `json:"OnBuild,omitempty"`
	Healthcheck  *healthcheck        `json:"Healthcheck,omitempty"`
}

// healthcheck has its times in nanoseconds.
type healthcheck struct {
	Test          []string      `json:"Test,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

func (c runConfig) vocabulary() engine.ImageConfig {
	return engine.ImageConfig{
		Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env, WorkingDir: c.WorkingDir, User: c.User, Labels: c.Labels,
		Volumes: slices.Sorted(maps.Keys(c.Volumes)), Expose: slices.Sorted(maps.Keys(c.ExposedPorts)),
		StopSignal: c.StopSignal, Shell: c.Shell, OnBuild: c.OnBuild, Healthcheck: c.Healthcheck.vocabulary(),
	}
}

func (h *healthcheck) vocabulary() *engine.Healthcheck {
	if h == nil {
		return nil
	}
	return &engine.Healthcheck{
		Test: h.Test, Interval: engine.Duration(h.Interval), Timeout: engine.Duration(h.Timeout),
		StartPeriod: engine.Duration(h.StartPeriod), StartInterval: engine.Duration(h.StartInterval), Retries: h.Retries,
	}
}

// fromVocabulary is the way back, for images that are made here.
func fromVocabulary(c engine.ImageConfig) runConfig {
	r := runConfig{
		Entrypoint: c.Entrypoint, Cmd: c.Cmd, Env: c.Env, WorkingDir: c.WorkingDir, User: c.User, Labels: c.Labels,
		Volumes: set(c.Volumes), ExposedPorts: set(c.Expose), StopSignal: c.StopSignal, Shell: c.Shell, OnBuild: c.OnBuild,
	}
	if h := c.Healthcheck; h != nil {
		r.Healthcheck = &healthcheck{
			Test: h.Test, Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout),
			StartPeriod: time.Duration(h.StartPeriod), StartInterval: time.Duration(h.StartInterval), Retries: h.Retries,
		}
	}
	return r
}

func set(list []string) map[string]struct{} {
	if len(list) == 0 {
		return nil
	}
	m := map[string]struct{}{}
	for _, s := range list {
		m[s] = struct{}{}
	}
	return m
}
