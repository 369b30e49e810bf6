// Package corpus has Compose files of many shapes, as people write them: databases, queues, web stacks,
// monitoring, monorepos, and old files. Each folder is a project; beside its files lie what
// `tiffin config` makes of it (config.golden, and explain.golden with the place of each value), and what
// `tiffin up` would do on an empty host (plan.golden), with what is warned of. UPDATE=1 writes them.
//
// The files were written for this. What a file needs beyond itself (profiles, more files, variables) is said in its
// .env, so that a test only has to go there.
package corpus
