package networks

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tiffin/engine"
)

type createOptions struct {
	driver               string
	internal, attachable bool
	ipv4, ipv6           bool
	options, labels, aux []string
	addressing           Addressing

	ipamDriver, scope, configFrom string
	ipamOptions                   []string
	configOnly, ingress           bool
}

func newCreate(h *Host) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create [OPTIONS] NETWORK",
		Short: "Create a network",
		Args:  h.Exactly(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return h.create(cmd.Context(), &o, args[0]) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.attachable, "attachable", false, "Accepted for docker's sake: containers can always be connected")
	f.StringArrayVar(&o.aux, "aux-address", nil, "Auxiliary IPv4 or IPv6 addresses used by others (NAME=ADDRESS)")
	f.StringVarP(&o.driver, "driver", "d", "bridge", "Driver to manage the network (bridge, macvlan, ipvlan)")
	f.StringSliceVar(&o.addressing.Gateways, "gateway", nil, "IPv4 or IPv6 gateway of a subnet")
	f.BoolVar(&o.internal, "internal", false, "Restrict external access to the network")
	f.StringSliceVar(&o.addressing.Ranges, "ip-range", nil, "Allocate container addresses from a sub-range")
	f.StringVar(&o.ipamDriver, "ipam-driver", "default", "IP address management driver")
	f.StringArrayVar(&o.ipamOptions, "ipam-opt", nil, "Not carried out")
	f.BoolVar(&o.ipv4, "ipv4", true, "Enable or disable IPv4 address assignment")
	f.BoolVar(&o.ipv6, "ipv6", false, "Enable or disable IPv6 address assignment")
	f.StringArrayVar(&o.labels, "label", nil, "Set metadata on a network")
	f.StringArrayVarP(&o.options, "opt", "o", nil, "Set driver specific options")
	f.StringSliceVar(&o.addressing.Subnets, "subnet", nil, "Subnet in CIDR format that represents a network segment")
	f.StringVar(&o.scope, "scope", "", "Control the network's scope")
	f.StringVar(&o.configFrom, "config-from", "", "Not carried out")
	f.BoolVar(&o.configOnly, "config-only", false, "Not carried out")
	f.BoolVar(&o.ingress, "ingress", false, "Not carried out")
	for _, hidden := range []string{"ipam-opt", "scope", "config-from", "config-only", "ingress"} {
		f.Lookup(hidden).Hidden = true
	}
	return cmd
}

// refused says which flags ask for what tiffin does not have.
func (o *createOptions) refused() error {
	unsupported := func(what string) error {
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s is not supported: tiffin runs on one host, without a swarm", what))
	}
	switch {
	case o.configFrom != "":
		return unsupported("--config-from")
	case o.configOnly:
		return unsupported("--config-only")
	case o.ingress:
		return unsupported("--ingress")
	case o.scope != "" && o.scope != "local":
		return unsupported("--scope " + o.scope)
	case o.ipamDriver != "default" && o.ipamDriver != "":
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("there is no ipam driver %q", o.ipamDriver))
	case len(o.ipamOptions) > 0:
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("--ipam-opt %s is not supported", o.ipamOptions[0]))
	default:
		return nil
	}
}

func (o *createOptions) spec(name string) (*engine.NetworkSpec, error) {
	if err := o.refused(); err != nil {
		return nil, err
	}
	spec := &engine.NetworkSpec{
		Name: name, Driver: o.driver, Internal: o.internal, Attachable: o.attachable, DisableIPv4: !o.ipv4, EnableIPv6: o.ipv6,
	}
	var err error
	if spec.DriverOpts, err = Pairs("opt", o.options); err != nil {
		return nil, err
	}
	if spec.Labels, err = Pairs("label", o.labels); err != nil {
		return nil, err
	}
	if o.addressing.Aux, err = Pairs("aux-address", o.aux); err != nil {
		return nil, err
	}
	spec.Pools, err = o.addressing.Pools()
	return spec, err
}

func (h *Host) create(ctx context.Context, o *createOptions, name string) error {
	spec, err := o.spec(name)
	if err != nil {
		return err
	}
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	n, err := client.CreateNetwork(ctx, spec)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(h.Out, n.ID)
	return err
}
