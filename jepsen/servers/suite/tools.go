//go:build tools

// Package servers imports the packages that the tests build from this module,
// so that `go mod tidy` keeps the modules that they need.
package servers

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/etcdutl/v3"
	_ "go.etcd.io/etcd/tests/v3/common"
)
