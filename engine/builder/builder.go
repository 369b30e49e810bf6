package builder

import (
	_ "github.com/moby/buildkit/cache/remotecache/inline"
	_ "github.com/moby/buildkit/cache/remotecache/local"
	_ "github.com/moby/buildkit/cache/remotecache/registry"
	_ "github.com/moby/buildkit/client"
	_ "github.com/moby/buildkit/control"
	_ "github.com/moby/buildkit/frontend/dockerfile/builder"
	_ "github.com/moby/buildkit/frontend/gateway/forwarder"
	_ "github.com/moby/buildkit/frontend/subrequests/lint"
	_ "github.com/moby/buildkit/session/auth/authprovider"
	_ "github.com/moby/buildkit/session/filesync"
	_ "github.com/moby/buildkit/session/secrets/secretsprovider"
	_ "github.com/moby/buildkit/session/sshforward/sshprovider"
	_ "github.com/moby/buildkit/solver/bboltcachestorage"
	_ "github.com/moby/buildkit/util/progress/progressui"
	_ "github.com/moby/buildkit/worker/base"
)
