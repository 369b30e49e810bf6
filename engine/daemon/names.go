package daemon

import "tiffin/engine"

func (d *Daemon) answering(c *engine.Container) {}
