package plan

import "strings"

// Words are what users of docker compose read while a step is under way and after it.
func (s *Step) Words() (doing, done string) {
	switch s.Kind {
	case PullImage:
		return "Pulling", "Pulled"
	case BuildImage:
		return "Building", "Built"
	case CreateNetwork, CreateVolume, CreateContainer:
		return "Creating", "Created"
	case RecreateNetwork:
		return "Recreate", "Recreated"
	case RenameContainer:
		return "Recreate", "Recreated"
	case RemoveNetwork, RemoveVolume, RemoveImage, RemoveContainer:
		return "Removing", "Removed"
	case RunHook:
		return "Running", "Completed"
	case StartContainer, RestartContainer:
		return "Starting", "Started"
	case StopContainer:
		if s.Signal != "" {
			return "Killing", "Killed"
		}
		return "Stopping", "Stopped"
	case KillContainer:
		return "Killing", "Killed"
	case PauseContainer:
		return "Pausing", "Paused"
	case UnpauseContainer:
		return "Unpausing", "Unpaused"
	case Await:
		return "Waiting", "Healthy"
	case Monitor:
		return "Monitoring", "Healthy"
	case Proceed:
		return "Updating", "Updated"
	default:
		return string(s.Kind), "Done"
	}
}

// Verb is what a step does to its subject: start, await healthy.
func (s *Step) Verb() string {
	if s.Kind == Await {
		return "await " + conditionWord(s.Condition)
	}
	verb, _, _ := strings.Cut(string(s.Kind), " ")
	return verb
}

// Subject is what a step is about, as users of docker compose read it.
func (s *Step) Subject() string {
	switch s.Kind {
	case PullImage, BuildImage, RemoveImage:
		return "Image " + s.Name
	case CreateNetwork, RecreateNetwork, RemoveNetwork:
		return "Network " + s.Name
	case CreateVolume, RemoveVolume:
		return "Volume " + s.Name
	case Proceed:
		return "Service " + s.Name
	default:
		return "Container " + s.Name
	}
}
