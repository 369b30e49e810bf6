// Package crash kills the engine at every point of what it does, and looks at what is left and whether it goes on.
//
// The points are enumerated, not random: an operation is done once and each of its events is noted, then it is done
// again for each of them, and the engine is killed as soon as that event is heard. CRASH_ALL=1 takes all of them
// (make crash); else every few are taken.
//
// Reading order: build_test.go (builds), caller_test.go (who asks for them and hears the events).
package crash
