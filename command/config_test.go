package command_test

import (
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/turnout-events/turnout/command"
	"github.com/turnout-events/turnout/command/httpapi"
	"github.com/turnout-events/turnout/command/limit"
)

func TestDefaultsAreValidAndAsDocumented(t *testing.T) {
	t.Parallel()
	var cfg command.Config
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	// Many guests share one network address (a campus, a conference); what a
	// single one of them may try is little, and no limit is off.
	want := httpapi.Limits{
		RSVPClient: limit.Rate{N: 1000, Per: time.Minute}, RSVPGuest: limit.Rate{N: 20, Per: time.Minute},
		RSVPForm: limit.Rate{N: 20, Per: 10 * time.Minute}, GuestClient: limit.Rate{N: 1000, Per: time.Minute},
		GuestLink: limit.Rate{N: 5, Per: time.Hour}, Register: limit.Rate{N: 30, Per: time.Hour},
		LoginAddress: limit.Rate{N: 10, Per: 15 * time.Minute}, LoginClient: limit.Rate{N: 100, Per: 15 * time.Minute},
	}
	if cfg.Limits != want {
		t.Errorf("limits by default: %+v, want %+v", cfg.Limits, want)
	}
	if cfg.Accounts.AccessTTL != 15*time.Minute {
		t.Errorf("access tokens live %s", cfg.Accounts.AccessTTL)
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"TURNOUT_LIMIT_RSVP_CLIENT": "many", "TURNOUT_LIMIT_LOOPBACK": "1/1ms", "TURNOUT_ACCESS_TTL": "2h",
		"TURNOUT_TRUSTED_PROXIES": "everybody", "TURNOUT_MAX_CAPACITY": "0", "TURNOUT_SIGNING_KEY_TTL": "1m",
	} {
		var cfg command.Config
		err := env.ParseWithOptions(&cfg, env.Options{Environment: map[string]string{name: value}})
		if err == nil {
			err = cfg.Validate()
		}
		if err == nil {
			t.Errorf("%s=%s was taken", name, value)
		}
	}
}
