package project

import (
	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
)

// updating translates deploy.update_config and deploy.rollback_config.
func updating(s *types.ServiceConfig, out *engine.Service) (err error) {
	if s.Deploy == nil {
		return nil
	}
	if out.Update, err = updateConfig(fault.In(s, "deploy", "update_config"), s.Deploy.UpdateConfig); err != nil {
		return err
	}
	out.Rollback, err = updateConfig(fault.In(s, "deploy", "rollback_config"), s.Deploy.RollbackConfig)
	if err == nil && out.Rollback != nil && out.Rollback.OnFailure == engine.FailureRollback {
		path := fault.In(s, "deploy", "rollback_config", "failure_action")
		return fault.At(path, "%s: a rollback cannot be rolled back", fault.Dotted(path)).Hint("Say pause or continue.")
	}
	return err
}

func updateConfig(path []string, c *types.UpdateConfig) (*engine.UpdateConfig, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	// One at a time, as docker stack has it, unless the file says 0 for all.
	out := &engine.UpdateConfig{
		Parallelism: 1, Delay: engine.Duration(c.Delay), Monitor: engine.Duration(c.Monitor),
		MaxFailureRatio: float64(c.MaxFailureRatio), StartFirst: c.Order == "start-first", // the schema knows no others
	}
	if c.Parallelism != nil {
		out.Parallelism = int(min(*c.Parallelism, 1<<30))
	}
	switch action := engine.FailureAction(c.FailureAction); action {
	case "", engine.FailurePause:
		out.OnFailure = engine.FailurePause
	case engine.FailureContinue, engine.FailureRollback:
		out.OnFailure = action
	default:
		path = append(path, "failure_action")
		return nil, fault.At(path, "%s: there is no action %q", fault.Dotted(path), c.FailureAction).Hint("Say pause, continue or rollback.")
	}
	if c.MaxFailureRatio < 0 || c.MaxFailureRatio > 1 || c.Delay < 0 || c.Monitor < 0 {
		return nil, fault.At(path, "%s: max_failure_ratio is from 0 to 1, and no time is negative", fault.Dotted(path))
	}
	return out, nil
}
