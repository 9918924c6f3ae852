// Converts an array, and shows why another one is refused: java -cp CLASSES:JARS Convert [ADDRESS]
//
// protoc -I proto --java_out=GENERATED --grpc-java_out=GENERATED --plugin=protoc-gen-grpc-java=$(which grpc_java_plugin) \
//   tensorferry/v1/tensor_service.proto google/rpc/error_details.proto
//
// On Debian 12 it needs default-jdk-headless, protobuf-compiler-grpc-java-plugin, libgrpc-java, libprotobuf-java,
// libnetty-java, libperfmark-java, libgoogle-common-protos-java, which has no ErrorInfo yet, and
// libgeronimo-annotation-1.3-spec-java. Newer packages of io.grpc and com.google.api.grpc have all that is generated from
// error_details.proto.
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.concurrent.TimeUnit;
import tensorferry.v1.Array;
import tensorferry.v1.ConvertRequest;
import tensorferry.v1.DigestAlgorithm;
import tensorferry.v1.TensorMetadata;
import tensorferry.v1.TensorServiceGrpc;

final class Convert {
  static ConvertRequest request(List<Long> shape, int... numbers) {
    ByteBuffer data = ByteBuffer.allocate(4 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
    data.asIntBuffer().put(numbers);
    Array array =
        Array.newBuilder().setName("x").setDtype("<i4").addAllShape(shape).setData(ByteString.copyFrom(data)).build();
    return ConvertRequest.newBuilder()
        .addArrays(array)
        .setDigest(DigestAlgorithm.DIGEST_ALGORITHM_XXH3_128)
        .build();
  }

  static String hex(ByteString bytes) {
    StringBuilder digits = new StringBuilder();
    bytes.forEach(each -> digits.append(String.format("%02x", each)));
    return digits.toString();
  }

  public static void main(String[] arguments) throws InvalidProtocolBufferException {
    String address = arguments.length > 0 ? arguments[0] : "localhost:8001";
    ManagedChannel channel = NettyChannelBuilder.forTarget(address).usePlaintext().build();
    // Without a deadline a call waits for as long as the server takes.
    TensorServiceGrpc.TensorServiceBlockingStub server =
        TensorServiceGrpc.newBlockingStub(channel).withDeadlineAfter(10, TimeUnit.SECONDS);

    TensorMetadata tensor = server.convert(request(List.of(2L, 2L), 1, 2, 3, 4)).getTensors(0).getMetadata();
    System.out.printf(
        "torch.%s %s, dtype equal: %b, digest %s%n",
        tensor.getDtype(),
        tensor.getShapeList(),
        tensor.getReceipt().getDtypeEqual(),
        hex(tensor.getReceipt().getDigest()));

    try {
      server.convert(request(List.of(2L, 3L), 1, 2, 3, 4));
      throw new IllegalStateException("an array without all of its elements was taken");
    } catch (StatusRuntimeException refusal) {
      for (Any detail : StatusProto.fromThrowable(refusal).getDetailsList()) {
        if (!detail.is(ErrorInfo.class)) continue;
        ErrorInfo info = detail.unpack(ErrorInfo.class);
        System.out.printf(
            "refused: %s, expected %s, actual %s%n",
            info.getReason(), info.getMetadataOrThrow("expected"), info.getMetadataOrThrow("actual"));
      }
    }
    channel.shutdownNow();
  }
}
