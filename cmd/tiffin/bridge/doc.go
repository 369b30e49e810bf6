// Package bridge has the commands that turn a project into other platforms' files.
//
// What knows those forms are images, docker compose's transformations: they read the project in /in, and write what
// they make of it to /out.
//
// Reading order: command.go (the commands), convert.go (what convert does), model.go (pure: the project as
// transformations want it), output.go (the folder of the result), transformer.go (a container of such an image),
// create.go (a transformation of one's own).
package bridge
