package engine

import "strings"

// DeviceRequest asks for devices by what they are, where Device names a node of the host.
type DeviceRequest struct {
	// Driver is cdi for devices by their CDI names, nvidia or amd, or "" for whichever the host has.
	Driver string `json:",omitempty"`
	// Count is how many; -1 is all. It is not used together with DeviceIDs.
	Count     int64    `json:",omitempty"`
	DeviceIDs []string `json:",omitempty"`
	// Capabilities are what they all have to be able to do: gpu.
	Capabilities []string          `json:",omitempty"`
	Options      map[string]string `json:",omitempty"`
}

// DriverCDI is the driver of a request whose DeviceIDs are CDI names, vendor.com/class=name.
const DriverCDI = "cdi"

// IsCDIName says that text has the form vendor.com/class=name. A path of the host may have a = in it, too, but begins with /.
func IsCDIName(text string) bool {
	kind, name, ok := strings.Cut(text, "=")
	vendor, class, both := strings.Cut(kind, "/")
	return ok && both && vendor != "" && class != "" && name != ""
}
