package plan

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
)

// ifNotPulled is the cause of a build that a pull may save.
const ifNotPulled = "if it cannot be pulled"

// Builds plans the builds that must be done before Up, by the caller: the engine reads
// no sources. Each image is built once, after those that it is made of. What is to be
// pulled rather than built is pulled first; the build comes after it, and is needed if
// an image in IfMissing is not there by then.
//
// Errors: engine.ErrNotFound when a target is no service, engine.ErrInvalid for
// services that are built with each other.
func Builds(req *call.UpRequest, obs *Observed) (*Plan, error) {
	sel, err := pick(&req.Stack, req.Services, reachOf(req))
	if err != nil {
		return nil, err
	}
	var b builder
	m := newImages(&b, req, obs)
	m.decide(sel.all)
	for _, name := range m.order {
		m.addBuild(name)
	}
	return b.finish()
}

// images plans how images come to be there: pulled, built, or built when they cannot be
// pulled.
type images struct {
	*builder
	req *call.UpRequest
	obs *Observed
	// refreshed says that the pulls of Pull come before this plan.
	refreshed bool

	// wants are the builds by service, order is the one in which they were found, makers
	// are the services by reference: those that build one image alike count once.
	wants  map[string]want
	order  []string
	makers map[string][]string
	pulls  map[string]*node // by reference
	builds map[string]*node // by service
}

// want says that the image of a service is to be built.
type want struct {
	cause string
	// missing are the references of images: unless one of them cannot be pulled, the
	// build is not needed. None: it is needed.
	missing []string
}

func newImages(b *builder, req *call.UpRequest, obs *Observed) *images {
	return &images{
		builder: b, req: req, obs: obs,
		wants: map[string]want{}, makers: map[string][]string{}, pulls: map[string]*node{}, builds: map[string]*node{},
	}
}

// decide says which of the services' images are built.
func (m *images) decide(services []string) {
	for _, name := range services {
		svc, _ := m.req.Stack.Service(name)
		switch cause := buildCause(m.req, svc, m.obs); {
		case cause == "":
		case cause == notThere && pullable(m.req, svc):
			m.want(svc, want{ifNotPulled, []string{svc.Container.Image}})
		default:
			m.want(svc, want{cause: cause})
		}
	}
}

// buildCause says why the image of a service is built; "" when it is not.
func buildCause(req *call.UpRequest, svc *engine.Service, obs *Observed) string {
	switch {
	case req.NoBuild || !svc.Buildable():
		return ""
	case req.Build:
		return "--build"
	case policyOf(req, svc) == engine.PullBuild:
		return "pull_policy build"
	case obs.Images[svc.Container.Image] == "":
		return notThere
	default:
		return ""
	}
}

// pullable says that an image may be there to be pulled: it has a name of its own.
func pullable(req *call.UpRequest, svc *engine.Service) bool {
	return !made(&req.Stack, svc) && policyOf(req, svc) != engine.PullNever
}

// made says that a service's image is called what a build calls it that has no name for
// it: nobody has pushed that.
func made(stack *engine.Stack, svc *engine.Service) bool {
	return svc.Buildable() && svc.Container.Image == engine.ImageName(stack.Name, svc.Name)
}

func policyOf(req *call.UpRequest, svc *engine.Service) engine.PullPolicy {
	return cmp.Or(req.Pull, svc.PullPolicy)
}

// want notes a build, and those of the services that it is built with: they are built
// whether their images are there or not, as their sources may have changed.
func (m *images) want(svc *engine.Service, w want) {
	name := m.maker(svc)
	old, known := m.wants[name]
	if known {
		w = old.join(w)
		if slices.Equal(w.missing, old.missing) {
			return
		}
	}
	m.wants[name] = w
	for _, other := range m.contexts(svc) {
		m.want(other, want{"context of " + name, w.missing})
	}
	if !known {
		m.order = append(m.order, name)
		m.makes(svc)
	}
}

// join is a build for two reasons. One that needs it in any case has the word.
func (w want) join(other want) want {
	switch {
	case len(w.missing) == 0:
		return w
	case len(other.missing) == 0:
		return other
	default:
		missing := slices.Concat(w.missing, other.missing)
		slices.Sort(missing)
		return want{w.cause, slices.Compact(missing)}
	}
}

// contexts are the services that one is built with.
func (m *images) contexts(svc *engine.Service) []*engine.Service {
	var out []*engine.Service
	for _, name := range svc.Build.Services() {
		if other, ok := m.req.Stack.Buildable(name); ok {
			out = append(out, other)
		}
	}
	return out
}

// maker is the service that stands for all that build one image alike.
func (m *images) maker(svc *engine.Service) string {
	ref := svc.Container.Image
	for _, name := range m.makers[ref] {
		if other, _ := m.req.Stack.Buildable(name); reflect.DeepEqual(other.Build, svc.Build) {
			return name
		}
	}
	return svc.Name
}

// makes notes that a service builds its image, after those that do so in other ways.
func (m *images) makes(svc *engine.Service) {
	ref := svc.Container.Image
	if others := m.makers[ref]; len(others) > 0 {
		m.warn("Services %s and %s build different images of the name %s: that of %s will have it",
			strings.Join(others, ", "), svc.Name, ref, svc.Name)
	}
	m.makers[ref] = append(m.makers[ref], svc.Name)
}

// addBuild builds the image of a service that is wanted.
func (m *images) addBuild(name string) *node {
	if n, ok := m.builds[name]; ok {
		return n
	}
	svc, _ := m.req.Stack.Buildable(name)
	ref, w := svc.Container.Image, m.wants[name]
	n := m.add(Step{
		Kind: BuildImage, Name: ref, Cause: w.cause, Service: name, Platform: svc.Container.Platform, IfMissing: w.missing,
	})
	m.builds[name] = n
	for _, missing := range w.missing {
		n.wait(prior{m.addAttempt(missing), true})
	}
	for _, other := range m.contexts(svc) {
		n.after(m.addBuild(m.maker(other)))
	}
	if i := slices.Index(m.makers[ref], name); i > 0 {
		n.after(m.addBuild(m.makers[ref][i-1])) // the last one has the name
	}
	return n
}

// addAttempt pulls an image that is built when that fails; nil when Pull has tried.
func (m *images) addAttempt(ref string) *node {
	if n, ok := m.pulls[ref]; ok {
		return n
	}
	svc, _ := m.req.Stack.Buildable(m.makers[ref][0])
	if m.refreshed && refreshes(policyOf(m.req, svc)) {
		return nil
	}
	s := pullStep(svc, notThere)
	s.Optional = true
	m.pulls[ref] = m.add(s)
	return m.pulls[ref]
}

// ready are the steps after which an image is there.
func (m *images) ready(ref string) []*node {
	if makers := m.makers[ref]; len(makers) > 0 {
		return []*node{m.builds[makers[len(makers)-1]]}
	}
	return []*node{m.pulls[ref]}
}
