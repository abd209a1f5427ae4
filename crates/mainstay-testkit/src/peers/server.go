// The server of grpc-go's interoperability tests, on the loopback interface alone, with health and reflection; over TLS
// where a certificate and its key are named behind the port.
package main

import (
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	var options []grpc.ServerOption
	if len(os.Args) > 3 {
		pair, err := credentials.NewServerTLSFromFile(os.Args[2], os.Args[3])
		if err != nil {
			panic(err)
		}
		options = append(options, grpc.Creds(pair))
	}
	server := grpc.NewServer(options...)
	testpb.RegisterTestServiceServer(server, interop.NewTestServer())
	states := health.NewServer()
	states.SetServingStatus("participant", healthpb.HealthCheckResponse_SERVING)
	states.SetServingStatus("passive", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(server, states)
	reflection.Register(server)
	panic(server.Serve(listener))
}
