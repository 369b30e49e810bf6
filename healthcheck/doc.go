// Package healthcheck decides from probes whether a service is healthy.
//
// The one idea: a rule that is a pure function (state and the result of a
// probe give the next state, which also says when to probe again), and a loop
// that does nothing but wait, probe and apply it. Time comes in with the
// results; there is no clock to replace in tests.
//
// The rule is Docker's, with its defaults, and one addition: extra probes while
// a service is starting.
//
//	          started                        interval              2 × interval
//	Docker       |------------------------------R----------------------R
//	tiffin       e-e-e-e--e---e-----e-----------R----------e-----------R
//
// Docker's first probe comes after a whole interval, so that a service ready
// after 50 ms counts as starting for 30 s, and a chain of ten such services
// takes five minutes. Here the first probe comes at once. Regular probes (R)
// come when Docker's would, and what they find means what it means there: so
// many failures in a row make unhealthy, but in the start period they do not
// count. Extra probes (e) between them only look for success, which makes the
// service healthy and ends the start as if a regular probe had found it; when
// they fail, nothing happens. So the retries last as long as with Docker, and
// nobody waits longer than there to see a service come up. (Only a first probe
// that takes longer than an interval delays the first regular one.)
//
// Extra probes follow each other after a quarter of the time since the start, at
// least 10 ms, and at least twice the time that the last one took: a
// service is seen at most a quarter later than it could be, and probes take at
// most a third of a processor.
//
// What comes but once, as a line in a log, is awaited rather than looked for
// (Check.Awaits): one probe goes on until it has come, the verdict follows at once, and
// there is no extra probe. Regular times only note that it has not come yet.
//
// Reading order: check.go (what is configured), state.go (the rule),
// monitor.go (the loop), await.go (the loop of what is awaited), output.go (what a probe prints).
//
// Not here: what a probe is (a command that is executed in the container, or
// something that the engine looks at), and what follows from being unhealthy.
package healthcheck
