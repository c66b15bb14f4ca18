// Command descriptors prints etcd's public API in a canonical text form, one
// fact per line, sorted, from the descriptors compiled into etcd's own Go
// modules. A Rust test prints Naxos's .proto files in the same form. If the two
// texts are equal, etcd and Naxos have the same wire format.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"sort"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// described is any generated message. Descriptor returns the gzipped descriptor
// of the .proto file that defines the message.
type described interface {
	Descriptor() ([]byte, []int)
}

func main() {
	var facts []string
	for _, m := range []described{
		&mvccpb.KeyValue{}, &authpb.User{}, &etcdserverpb.RangeRequest{}, &v3lockpb.LockRequest{}, &v3electionpb.LeaderKey{},
	} {
		facts = append(facts, fileFacts(file(m))...)
	}
	sort.Strings(facts)
	fmt.Println(strings.Join(facts, "\n"))
}

func file(m described) *descriptorpb.FileDescriptorProto {
	packed, _ := m.Descriptor()
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		log.Fatal(err)
	}
	raw, err := io.ReadAll(reader)
	if err != nil {
		log.Fatal(err)
	}
	fd := new(descriptorpb.FileDescriptorProto)
	if err := proto.Unmarshal(raw, fd); err != nil {
		log.Fatal(err)
	}
	return fd
}

func fileFacts(fd *descriptorpb.FileDescriptorProto) []string {
	pkg := fd.GetPackage()
	facts := []string{fmt.Sprintf("package %s %s", pkg, fd.GetSyntax())}
	for _, m := range fd.MessageType {
		facts = append(facts, messageFacts(pkg, m)...)
	}
	for _, e := range fd.EnumType {
		facts = append(facts, enumFacts(pkg, e)...)
	}
	for _, s := range fd.Service {
		facts = append(facts, fmt.Sprintf("service %s.%s", pkg, s.GetName()))
		for _, m := range s.Method {
			facts = append(facts, fmt.Sprintf("method %s.%s.%s %s %t %s %t", pkg, s.GetName(), m.GetName(),
				m.GetInputType(), m.GetClientStreaming(), m.GetOutputType(), m.GetServerStreaming()))
		}
	}
	return facts
}

func messageFacts(scope string, m *descriptorpb.DescriptorProto) []string {
	name := scope + "." + m.GetName()
	facts := []string{"message " + name}
	for _, f := range m.Field {
		oneof := "-"
		if f.OneofIndex != nil {
			oneof = m.OneofDecl[f.GetOneofIndex()].GetName()
		}
		typeName := "-"
		if f.TypeName != nil {
			typeName = f.GetTypeName()
		}
		facts = append(facts, fmt.Sprintf("field %s.%s %d label=%d type=%d %s oneof=%s", name, f.GetName(), f.GetNumber(),
			f.GetLabel(), f.GetType(), typeName, oneof))
	}
	for _, nested := range m.NestedType {
		facts = append(facts, messageFacts(name, nested)...)
	}
	for _, e := range m.EnumType {
		facts = append(facts, enumFacts(name, e)...)
	}
	return facts
}

func enumFacts(scope string, e *descriptorpb.EnumDescriptorProto) []string {
	name := scope + "." + e.GetName()
	facts := []string{"enum " + name}
	for _, v := range e.Value {
		facts = append(facts, fmt.Sprintf("value %s.%s %d", name, v.GetName(), v.GetNumber()))
	}
	return facts
}
