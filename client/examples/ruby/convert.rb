# Converts an array, and shows why another one is refused: ruby -I GENERATED convert.rb [ADDRESS]
#
# protoc -I proto --ruby_out=GENERATED --grpc_out=GENERATED --plugin=protoc-gen-grpc=$(which grpc_ruby_plugin) \
#   tensorferry/v1/tensor_service.proto google/rpc/status.proto google/rpc/error_details.proto
require "google/protobuf/well_known_types"
require "grpc"
require "tensorferry/v1/tensor_service_services_pb"
require "google/rpc/status_pb"
require "google/rpc/error_details_pb"

V1 = Tensorferry::V1
# Without a timeout a call waits for as long as the server takes.
server = V1::TensorService::Stub.new(ARGV[0] || "localhost:8001", :this_channel_is_insecure, timeout: 10)

def request(shape, numbers)
  array = V1::Array.new(name: "x", dtype: "<i4", shape: shape, data: numbers.pack("l<*"))
  V1::ConvertRequest.new(arrays: [array], digest: :DIGEST_ALGORITHM_XXH3_128)
end

tensor = server.convert(request([2, 2], [1, 2, 3, 4])).tensors[0].metadata
puts "torch.#{tensor.dtype} #{tensor.shape.to_a}, dtype equal: #{tensor.receipt.dtype_equal}, " \
     "digest #{tensor.receipt.digest.unpack1('H*')}"

begin
  server.convert(request([2, 3], [1, 2, 3, 4]))
  abort "an array without all of its elements was taken"
rescue GRPC::BadStatus => error
  details = error.metadata["grpc-status-details-bin"] or raise # Not every error is the server's own.
  status = Google::Rpc::Status.decode(details)
  info = status.details.find { |detail| detail.is(Google::Rpc::ErrorInfo) }.unpack(Google::Rpc::ErrorInfo)
  puts "refused: #{info.reason}, expected #{info.metadata['expected']}, actual #{info.metadata['actual']}"
end
