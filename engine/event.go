package engine

import "time"

// Event is something that happened, in the shape of Docker's events.
type Event struct {
	Time   time.Time
	Type   EventType
	Action string // create, start, die, stop, kill, destroy, health_status: healthy, …
	// ID is the container's or network's ID, or the volume's or image's name.
	ID string
	// Attributes are the labels, name and image of a container, and what the action
	// adds: exitCode, signal, execID.
	Attributes map[string]string `json:",omitempty"`
}

// EventType is the kind of object that an event is about.
type EventType string

// The types.
const (
	EventContainer EventType = "container"
	EventNetwork   EventType = "network"
	EventVolume    EventType = "volume"
	EventImage     EventType = "image"
	EventBuilder   EventType = "builder"
)

// Progress is one line of what a command is doing, as docker compose shows it.
type Progress struct {
	// ID is the object: "Container p-web-1", "Network p_default", "Image nginx".
	ID       string
	ParentID string         `json:",omitempty"` // an image's layers
	Status   ProgressStatus `json:",omitempty"`
	Text     string         `json:",omitempty"` // Creating, Started, …
	Details  string         `json:",omitempty"`
	Current  int64          `json:",omitempty"` // bytes
	Total    int64          `json:",omitempty"` // bytes
	Percent  int            `json:",omitempty"`
	// Timing is all there is to a report of times, which only who asks for them gets.
	Timing *StepTiming `json:",omitempty"`
}

// StepTiming says when a step of a plan was done.
type StepTiming struct {
	Plan    int   // of the plans of a call, which are walked one after the other
	Seq     int   // of the step in it
	After   []int `json:",omitempty"` // the steps that it waited for
	Subject string
	What    string
	// Ready is when nothing before it was missing any more, Began when it was its turn.
	Ready, Began, Ended time.Time
	Failed              bool `json:",omitempty"`
}

// ProgressStatus is the colour of a line.
type ProgressStatus string

// The statuses, by the words of compose's JSON progress.
const (
	Working ProgressStatus = "Working"
	Done    ProgressStatus = "Done"
	Warning ProgressStatus = "Warning"
	Failed  ProgressStatus = "Error"
)

// Report takes progress; it must not block for long and may be called by many at once.
type Report func(Progress)
