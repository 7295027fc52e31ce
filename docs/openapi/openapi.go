// Package openapi holds the description of the HTTP API, which web serves and
// routes by, and which the tests hold every answer against.
package openapi

import _ "embed"

// Document is openapi.yaml. Each operation says in x-role which role answers it.
//
//go:embed openapi.yaml
var Document []byte
