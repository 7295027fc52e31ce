package query

import (
	"context"
	"log/slog"
	"syscall"
)

// wantFiles is 5,000 streams with room for the stores and for other requests.
const wantFiles = 8192

// checkFiles says once how many viewers there can be: every stream holds a
// file, and beyond the limit the listener accepts nobody.
func checkFiles(ctx context.Context, log *slog.Logger) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		log.WarnContext(ctx, "the limit of open files is not known", "error", err)
		return
	}
	if limit.Cur < wantFiles {
		log.WarnContext(ctx, "few files may be open, so few may watch seats: raise it with `ulimit -n 65536`, or LimitNOFILE= in a unit",
			"limit", limit.Cur, "want", wantFiles)
	}
}
