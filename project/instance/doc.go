// Package instance makes of a project a copy that can run beside others. What the files fix
// on the host gets a name, or a port, of the copy's own. It is pure, and works on compose-go's
// model, so that everything that is made of a model (a Stack, hashes, `tiffin config`) is that of the copy.
package instance
