// Command sandbox serves the simulated rental world: a PMS, two booking channels,
// housekeeping and an inbox as real HTTP servers, with people, faults and the truth
// of what happened. It is for demos and tests; it must never be given real data or
// a public address.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:          "sandbox",
		Short:        "A simulated rental world: up to five systems with people, faults and the truth",
		SilenceUsage: true,
	}
	cmd.AddCommand(serveCommand())
	return cmd
}
