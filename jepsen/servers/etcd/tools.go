//go:build tools

// Package servers names the programs that the tests build from this module,
// so that `go mod tidy` keeps what they need.
package servers

import (
	_ "go.etcd.io/etcd/api/v3/etcdserverpb"
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/server/v3"
)
