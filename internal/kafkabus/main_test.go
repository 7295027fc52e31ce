package kafkabus_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine outlives its consumer, publisher or replay.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"), // one per process, for good
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),                    // testkit's, idle
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}
