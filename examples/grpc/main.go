package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"nym-socks5/endpoint"
	"nym-socks5/localnet"
	"nym-socks5/mixnet"
)

func main() {
	network := must(localnet.New(localnet.Spec{}))
	go network.Run(context.Background())
	greet(context.Background(), network, os.Stdout)
}

// port is where the server listens, among the ports of its address.
const port = 50051

// greet has a client ask a server twice, once with one answer and once with several.
func greet(ctx context.Context, network *localnet.Network, w io.Writer) {
	bob := must(network.Join(ctx, endpoint.Config{Peers: true}))
	server := grpc.NewServer()
	server.RegisterService(&greeter, nil)
	go server.Serve(must(bob.Listen(port)))
	defer server.Stop()

	alice := must(network.Join(ctx, endpoint.Config{}))
	conn := must(dial(alice, bob.Address()))
	defer conn.Close()
	var answer wrapperspb.StringValue
	if err := conn.Invoke(ctx, "/Greeter/Hello", wrapperspb.String("somebody"), &answer); err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(w, answer.Value)

	stream := must(conn.NewStream(ctx, &greeter.Streams[0], "/Greeter/Count"))
	if err := stream.SendMsg(wrapperspb.Int32(3)); err != nil {
		log.Fatal(err)
	}
	stream.CloseSend()
	for {
		var n wrapperspb.Int32Value
		if err := stream.RecvMsg(&n); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(w, n.Value)
	}
}

// dial connects to an address. TLS would add nothing: who has the address has the key
// that everything is sealed to, and nobody on the way can read.
func dial(e *endpoint.Endpoint, to mixnet.Recipient) (*grpc.ClientConn, error) {
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return e.DialAddress(ctx, to, port) }
	return grpc.NewClient("passthrough:///bob", grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// greeter is a service as protoc would describe it:
//
//	service Greeter {
//	  rpc Hello(google.protobuf.StringValue) returns (google.protobuf.StringValue);
//	  rpc Count(google.protobuf.Int32Value) returns (stream google.protobuf.Int32Value);
//	}
var greeter = grpc.ServiceDesc{
	ServiceName: "Greeter",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Hello",
		Handler: func(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var who wrapperspb.StringValue
			if err := read(&who); err != nil {
				return nil, err
			}
			return wrapperspb.String("hello, " + who.Value), nil
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName: "Count", ServerStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			var to wrapperspb.Int32Value
			if err := stream.RecvMsg(&to); err != nil {
				return err
			}
			for n := range to.Value {
				if err := stream.SendMsg(wrapperspb.Int32(n + 1)); err != nil {
					return err
				}
			}
			return nil
		},
	}},
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
