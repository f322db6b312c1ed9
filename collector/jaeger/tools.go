//go:build tools

// Package jaeger keeps Jaeger's all-in-one program, and what it needs, in go.mod and go.sum.
package jaeger

import _ "github.com/jaegertracing/jaeger/cmd/all-in-one"
