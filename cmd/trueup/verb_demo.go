package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/cmd/sandbox/story"
	"github.com/trueup-data/trueup/pipeline/fault"
)

func (c *cli) demoCommand() *cobra.Command {
	o := story.Options{Out: c.out}
	cmd := &cobra.Command{Use: "demo", Short: "Run the whole job against five simulated systems, and prove the result", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			o.Program, o.Name, o.Env = self, os.Args[0], os.Environ()
			err = story.Tell(cmd.Context(), o)
			if cmd.Context().Err() != nil {
				return fault.New(fault.Canceled, "demo", errors.New("interrupted")).WithCode(fault.CodeInterrupted).
					WithHelp("trueup demo, which begins anew").WithNote("all systems of it are simulated, and ended with it")
			}
			return err
		}}
	cmd.Flags().StringVar(&o.Dir, "dir", filepath.Join(".trueup", "demo"), "folder to work in; emptied first if an earlier demo made it")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 7, "what the simulated world follows from")
	cmd.Flags().IntVar(&o.Records, "records", 2200, "bookings at the start, other records in proportion; at least 100")
	cmd.Flags().IntVar(&o.Hours, "hours", 5, "hours of the day, with an hourly run each; at least 2")
	return cmd
}
