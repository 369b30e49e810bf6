package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/engine"
	"tiffin/engine/call"
)

// act asks the engine for an action on the services.
func (c *cli) act(ctx context.Context, req *call.ActRequest) error {
	t, err := c.FindTarget(ctx, req.Services)
	if err != nil {
		return err
	}
	if err := t.Known(req.Services...); err != nil {
		return err
	}
	req.Project, req.Stack = t.Name, t.Stack
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	if c.Opts.DryRun {
		return c.printPlan(client.PlanAct(ctx, req))
	}
	p := c.NewProgress(string(req.Action))
	defer p.Finish()
	if err := client.Act(ctx, req, p.Report); err != nil || t.Stack == nil || req.Action != call.ActStop {
		return err
	}
	return c.runner(p.Report).Stop(ctx, c.providers(len(req.Services) > 0, req.Services...))
}

func newStart(c *cli) *cobra.Command {
	req := call.ActRequest{Action: call.ActStart}
	var waitTimeout int
	cmd := &cobra.Command{
		Use:   "start [OPTIONS] [SERVICE...]",
		Short: "Start services",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Services, req.WaitTimeout = args, seconds(waitTimeout)
			return c.act(cmd.Context(), &req)
		},
	}
	cmd.Flags().BoolVar(&req.Wait, "wait", false, "Wait for services to be running|healthy")
	cmd.Flags().IntVar(&waitTimeout, "wait-timeout", 0, "Maximum time in seconds to wait")
	return cmd
}

func newStop(c *cli) *cobra.Command {
	req := call.ActRequest{Action: call.ActStop}
	var timeout int
	cmd := &cobra.Command{
		Use:   "stop [OPTIONS] [SERVICE...]",
		Short: "Stop services",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flagConflict(cmd, [2]string{"now", "timeout"}); err != nil {
				return err
			}
			req.Services, req.Timeout = args, changedTimeout(cmd, timeout)
			return c.act(cmd.Context(), &req)
		},
	}
	cmd.Flags().IntVarP(&timeout, "timeout", "t", 0, "Specify a shutdown timeout in seconds")
	cmd.Flags().BoolVar(&req.Now, "now", false, nowUsage)
	return cmd
}

// changedTimeout is nil when the flag was not given: each service has its own.
func changedTimeout(cmd *cobra.Command, timeout int) *engine.Duration {
	if !cmd.Flags().Changed("timeout") {
		return nil
	}
	return new(seconds(timeout))
}

func newRestart(c *cli) *cobra.Command {
	req := call.ActRequest{Action: call.ActRestart}
	var timeout int
	cmd := &cobra.Command{
		Use:   "restart [OPTIONS] [SERVICE...]",
		Short: "Restart service containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Services, req.Timeout = args, changedTimeout(cmd, timeout)
			return c.act(cmd.Context(), &req)
		},
	}
	cmd.Flags().BoolVar(&req.NoDeps, "no-deps", false, "Don't restart dependent services")
	cmd.Flags().IntVarP(&timeout, "timeout", "t", 0, "Specify a shutdown timeout in seconds")
	return cmd
}

func newKill(c *cli) *cobra.Command {
	req := call.ActRequest{Action: call.ActKill}
	cmd := &cobra.Command{
		Use:   "kill [OPTIONS] [SERVICE...]",
		Short: "Force stop service containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Services = args
			return c.act(cmd.Context(), &req)
		},
	}
	cmd.Flags().StringVarP(&req.Signal, "signal", "s", "SIGKILL", "SIGNAL to send to the container")
	cmd.Flags().BoolVar(&req.RemoveOrphans, "remove-orphans", false, "Kill containers for services not defined in the Compose file, too")
	return cmd
}

func newPause(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "pause [SERVICE...]",
		Short: "Pause services",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.act(cmd.Context(), &call.ActRequest{Action: call.ActPause, Services: args})
		},
	}
}

func newUnpause(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "unpause [SERVICE...]",
		Short: "Unpause services",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.act(cmd.Context(), &call.ActRequest{Action: call.ActUnpause, Services: args})
		},
	}
}

func newRm(c *cli) *cobra.Command {
	req := call.ActRequest{Action: call.ActRemove}
	var force bool
	cmd := &cobra.Command{
		Use:   "rm [OPTIONS] [SERVICE...]",
		Short: "Remove stopped service containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Services = args
			if c.Opts.DryRun {
				return c.act(cmd.Context(), &req)
			}
			names, err := c.removable(cmd.Context(), &req)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				fmt.Fprintln(c.Err, "No stopped containers")
				return nil
			}
			question := "Going to remove " + strings.Join(names, ", ")
			if force {
				fmt.Fprintln(c.Err, question)
			} else if !c.Confirm(question) {
				return nil
			}
			return c.act(cmd.Context(), &req)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&force, "force", "f", false, "Don't ask to confirm removal")
	f.BoolVarP(&req.Stop, "stop", "s", false, "Stop the containers, if required, before removing")
	f.BoolVarP(&req.Volumes, "volumes", "v", false, "Remove any anonymous volumes attached to containers")
	f.BoolP("all", "a", false, "")
	f.Lookup("all").Hidden = true
	return cmd
}

// removable are the names of the containers that would go.
func (c *cli) removable(ctx context.Context, req *call.ActRequest) ([]string, error) {
	t, err := c.FindTarget(ctx, req.Services)
	if err != nil {
		return nil, err
	}
	if err := t.Known(req.Services...); err != nil {
		return nil, err
	}
	_, list, err := c.List(ctx, &call.ListRequest{Project: t.Name, Services: req.Services, All: true, OneOffs: true})
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range list {
		if req.Stop || !list[i].State.Status.Alive() {
			names = append(names, list[i].Name)
		}
	}
	return names, nil
}
