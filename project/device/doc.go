// Package device translates what a service says of devices and GPUs.
package device
