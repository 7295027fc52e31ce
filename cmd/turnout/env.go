package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/seal"
)

// settings are what more than one role needs. Each role's own stand in its
// Config, beside the code that they are for.
type settings struct {
	Postgres postgres.Config
	Kafka    kafkabus.Config
	Elastic  elastic.Config
	Redis    redisconn.Config
	// Secrets are the keyring: 1:<base64 of 32 bytes>[,2:…].
	Secrets      string `env:"TURNOUT_SECRETS"`
	ServiceToken string `env:"TURNOUT_SERVICE_TOKEN"`
	OpsToken     string `env:"TURNOUT_OPS_TOKEN"`
	// PublicURL is how guests reach the origin; links in mail start with it.
	PublicURL string     `env:"TURNOUT_PUBLIC_URL" envDefault:"http://127.0.0.1:8080"`
	LogLevel  slog.Level `env:"TURNOUT_LOG_LEVEL" envDefault:"info"`
	LogFormat string     `env:"TURNOUT_LOG_FORMAT" envDefault:"json"`
}

// load reads a struct of settings from the environment; its error names the
// variable.
func load[T any]() (T, error) { return loadFrom[T](env.ToMap(os.Environ())) }

// loadFrom is load with an environment of the caller's: the end-to-end tests
// start systems side by side.
func loadFrom[T any](environ map[string]string) (T, error) {
	var v T
	if err := env.ParseWithOptions(&v, env.Options{Environment: environ}); err != nil {
		return v, fmt.Errorf("settings: %w", named[T](environ, err))
	}
	return v, nil
}

// named finds the variable that cannot be read: the library tells the field of
// our struct, which is no help to whoever has set the variable.
func named[T any](environ map[string]string, err error) error {
	var v T
	fields, listErr := env.GetFieldParams(&v)
	if listErr != nil {
		return err
	}
	for _, f := range fields {
		value, set := environ[f.Key]
		if !set {
			continue
		}
		alone := env.ParseWithOptions(&v, env.Options{Environment: map[string]string{f.Key: value}})
		var cause env.ParseError
		if errors.As(alone, &cause) {
			return fmt.Errorf("%s: %w", f.Key, cause.Err)
		}
	}
	return err
}

// keyring reads the secrets; without them nothing personal can be read or
// written, so there is no default.
func (s settings) keyring() (*seal.Keyring, error) {
	if strings.TrimSpace(s.Secrets) == "" {
		return nil, errors.New("TURNOUT_SECRETS is not set: `make run` makes it in .local/secrets.env; by hand: TURNOUT_SECRETS=1:$(openssl rand -base64 32)")
	}
	ring, err := seal.ParseKeyring(s.Secrets)
	if err != nil {
		return nil, fmt.Errorf("TURNOUT_SECRETS: %w", err)
	}
	return ring, nil
}

func (s settings) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
