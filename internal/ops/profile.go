package ops

import (
	"bytes"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

const longestProfile = 60 // seconds

var errProfiling = fault.New(fault.Conflict, "profiling", "A profile is being taken already")

// Profile takes a profile of the process for `go tool pprof`: kind=cpu (the default) over seconds= (10 by default, at
// most 60), or kind=allocs, heap, goroutine, mutex as they are now.
func Profile(c *gin.Context) {
	var out bytes.Buffer // not the connection: a slow reader must not hold the profile open
	kind := c.DefaultQuery("kind", "cpu")
	var err error
	if kind == "cpu" {
		err = profileCPU(c, &out)
	} else if p := pprof.Lookup(kind); p != nil {
		err = p.WriteTo(&out, 0)
	} else {
		err = fault.ErrInvalid.About(fault.Field{Pointer: "kind", Detail: "there is no such profile"})
	}
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.Data(http.StatusOK, "application/octet-stream", out.Bytes())
}

func profileCPU(c *gin.Context, out *bytes.Buffer) error {
	seconds, err := strconv.Atoi(c.DefaultQuery("seconds", "10"))
	if err != nil || seconds < 1 || seconds > longestProfile {
		return fault.ErrInvalid.About(fault.Field{Pointer: "seconds", Detail: "wants 1 to 60"})
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return errProfiling.Because(err)
	}
	defer pprof.StopCPUProfile()
	end := time.NewTimer(time.Duration(seconds) * time.Second)
	defer end.Stop()
	select {
	case <-end.C:
		return nil
	case <-c.Request.Context().Done():
		return c.Request.Context().Err()
	}
}
