// Package story is the demo's script: the project file that matches the sandbox's
// world, and what happens in it. It must never reach into the pipeline's store or
// decide what is right: the world's truth does that.
package story

import _ "embed" // the project file is part of the program

//go:embed trueup.yaml
var projectFile []byte

// Project is the demo's project file. It reads PMS_URL, PMS_TOKEN, STAYBNB_URL,
// STAYBNB_KEY and TRUEUP_STORE from the environment.
func Project() []byte { return append([]byte(nil), projectFile...) }
