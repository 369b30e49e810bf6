package engine

// UpdateConfig says how the replicas of a service are replaced: deploy.update_config, and
// deploy.rollback_config, which has no OnFailure "rollback".
type UpdateConfig struct {
	Parallelism int           `json:",omitempty"` // replicas at a time; 0: all of them
	Delay       Duration      `json:",omitzero"`  // between one batch and the next
	Monitor     Duration      `json:",omitzero"`  // how long a new replica is watched
	OnFailure   FailureAction `json:",omitempty"`
	// MaxFailureRatio is the part of the replicas that may fail before OnFailure counts.
	MaxFailureRatio float64 `json:",omitempty"`
	// StartFirst starts the new replica before it stops the old one.
	StartFirst bool `json:",omitempty"`
}

// FailureAction is what follows when a new replica fails.
type FailureAction string

// The failure actions of the Compose specification.
const (
	FailurePause    FailureAction = "pause"
	FailureContinue FailureAction = "continue"
	FailureRollback FailureAction = "rollback"
)
