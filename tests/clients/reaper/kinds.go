package main

import (
	"context"
	"errors"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// kinds are what is removed, in this order.
var kinds = []struct {
	name   string
	remove func(context.Context, *client.Client, client.Filters) (int, error)
}{
	{"containers", containers}, {"networks", networks}, {"volumes", volumes}, {"images", images},
}

// own is a label of reapers, which are not to remove each other, nor themselves.
const own = "org.testcontainers.ryuk"

func containers(ctx context.Context, api *client.Client, filters client.Filters) (int, error) {
	found, err := api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	var ids []string
	for _, c := range found.Items {
		if c.Labels[own] != "true" {
			ids = append(ids, c.ID)
		}
	}
	return each(ids, err, func(id string) error {
		_, err := api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		return err
	})
}

func networks(ctx context.Context, api *client.Client, filters client.Filters) (int, error) {
	found, err := api.NetworkList(ctx, client.NetworkListOptions{Filters: filters})
	var ids []string
	for _, n := range found.Items {
		ids = append(ids, n.ID)
	}
	return each(ids, err, func(id string) error {
		_, err := api.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
		return err
	})
}

func volumes(ctx context.Context, api *client.Client, filters client.Filters) (int, error) {
	found, err := api.VolumeList(ctx, client.VolumeListOptions{Filters: filters})
	var names []string
	for _, v := range found.Items {
		names = append(names, v.Name)
	}
	return each(names, err, func(name string) error {
		_, err := api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{Force: true})
		return err
	})
}

func images(ctx context.Context, api *client.Client, filters client.Filters) (int, error) {
	found, err := api.ImageList(ctx, client.ImageListOptions{Filters: filters})
	var ids []string
	for _, i := range found.Items {
		ids = append(ids, i.ID)
	}
	return each(ids, err, func(id string) error {
		_, err := api.ImageRemove(ctx, id, client.ImageRemoveOptions{Force: true, PruneChildren: true})
		return err
	})
}

// each removes what was found, whatever becomes of the others. What is gone already is as
// well.
func each(found []string, err error, remove func(string) error) (int, error) {
	failed := []error{err}
	n := 0
	for _, id := range found {
		err := remove(id)
		switch {
		case err == nil:
			n++
		case !errdefs.IsNotFound(err):
			failed = append(failed, err)
		}
	}
	return n, errors.Join(failed...)
}
