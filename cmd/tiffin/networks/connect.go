package networks

import (
	"context"

	"github.com/spf13/cobra"

	"tiffin/engine"
	"tiffin/engine/call"
)

type connectOptions struct {
	aliases, links, linkLocal, options []string
	ip, ip6                            string
	gwPriority                         int
}

func newConnect(h *Host) *cobra.Command {
	var o connectOptions
	cmd := &cobra.Command{
		Use:   "connect [OPTIONS] NETWORK CONTAINER",
		Short: "Connect a container to a network",
		Args:  h.Exactly(2),
		RunE:  func(cmd *cobra.Command, args []string) error { return h.connect(cmd.Context(), &o, args[0], args[1]) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.aliases, "alias", nil, "Add network-scoped alias for the container")
	f.StringArrayVar(&o.options, "driver-opt", nil, "Driver options for the network")
	f.IntVar(&o.gwPriority, "gw-priority", 0, "Highest gw-priority provides the default gateway. Accepts positive and negative values")
	f.StringVar(&o.ip, "ip", "", "IPv4 address (e.g. 172.30.100.104)")
	f.StringVar(&o.ip6, "ip6", "", "IPv6 address (e.g. 2001:db8::33)")
	f.StringArrayVar(&o.links, "link", nil, "Add link to another container (CONTAINER:ALIAS)")
	f.StringSliceVar(&o.linkLocal, "link-local-ip", nil, "Add a link-local address for the container")
	return cmd
}

func (o *connectOptions) endpoint() (*engine.EndpointSpec, error) {
	e := &engine.EndpointSpec{Aliases: o.aliases, Links: o.links, GwPriority: o.gwPriority}
	for _, one := range []struct {
		flag, text string
		is4        bool
	}{{"ip", o.ip, true}, {"ip6", o.ip6, false}} {
		if one.text == "" {
			continue
		}
		a, err := addresses(one.flag, one.text)
		if err != nil {
			return nil, err
		}
		if a[0].Is4() != one.is4 {
			return nil, invalid("invalid --%s %q: it is an address of the other family", one.flag, one.text)
		}
		if one.is4 {
			e.IPv4 = a[0]
		} else {
			e.IPv6 = a[0]
		}
	}
	var err error
	if e.LinkLocal, err = addresses("link-local-ip", o.linkLocal...); err != nil {
		return nil, err
	}
	if len(o.options) > 0 {
		e.DriverOpts, err = Pairs("driver-opt", o.options)
	}
	return e, err
}

func (h *Host) connect(ctx context.Context, o *connectOptions, network, container string) error {
	e, err := o.endpoint()
	if err != nil {
		return err
	}
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	return client.ConnectNetwork(ctx, network, container, e)
}

func newDisconnect(h *Host) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "disconnect [OPTIONS] NETWORK CONTAINER",
		Short: "Disconnect a container from a network",
		Args:  h.Exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := h.Connect(cmd.Context())
			if err != nil {
				return err
			}
			return client.DisconnectNetwork(cmd.Context(), args[0], args[1], call.ForceRemove(force))
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Do not error if the container is off the network already")
	return cmd
}
