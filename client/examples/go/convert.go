// Converts an array, and shows why another one is refused: convert [ADDRESS]
//
// protoc -I proto --go_out=plugins=grpc:GOPATH/src tensorferry/v1/tensor_service.proto
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	tensorferry "tensorferry/v1"
)

func request(shape []int64, numbers []int32) *tensorferry.ConvertRequest {
	var data bytes.Buffer
	if err := binary.Write(&data, binary.LittleEndian, numbers); err != nil {
		log.Fatal(err)
	}
	elements := &tensorferry.Array_Data{Data: data.Bytes()}
	array := &tensorferry.Array{Name: "x", Dtype: "<i4", Shape: shape, Payload: elements}
	return &tensorferry.ConvertRequest{
		Arrays: []*tensorferry.Array{array},
		Digest: tensorferry.DigestAlgorithm_DIGEST_ALGORITHM_XXH3_128,
	}
}

func main() {
	address := "localhost:8001"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	connection, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	server := tensorferry.NewTensorServiceClient(connection)

	// Without a deadline a call waits for as long as the server takes.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	response, err := server.Convert(ctx, request([]int64{2, 2}, []int32{1, 2, 3, 4}))
	if err != nil {
		log.Fatal(err)
	}
	tensor := response.Tensors[0].Metadata
	fmt.Printf("torch.%s %v, dtype equal: %v, digest %x\n",
		tensor.Dtype, tensor.Shape, tensor.Receipt.DtypeEqual, tensor.Receipt.Digest)

	_, err = server.Convert(ctx, request([]int64{2, 3}, []int32{1, 2, 3, 4}))
	if err == nil {
		log.Fatal("an array without all of its elements was taken")
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			fmt.Printf("refused: %s, expected %s, actual %s\n", info.Reason, info.Metadata["expected"], info.Metadata["actual"])
		}
	}
}
