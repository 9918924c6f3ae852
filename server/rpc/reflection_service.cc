#include "rpc/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>

#include "base/status.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/grpc_call.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/method.h"
#include "rpc/serve/small_message.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

void SetError(ServerReflectionResponse& response, grpc::StatusCode code, const std::string& message) {
  response.mutable_error_response()->set_error_code(code);
  response.mutable_error_response()->set_error_message(message);
}

// Adds `file`, after the files that it imports.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>& added, ServerReflectionResponse& response) {
  if (!added.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), added, response);
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  *response.mutable_file_descriptor_response()->add_file_descriptor_proto() = proto.SerializeAsString();
}

void AnswerWithFile(const FileDescriptor* file, ServerReflectionResponse& response) {
  if (file == nullptr) return SetError(response, grpc::StatusCode::NOT_FOUND, "not known here");
  std::set<const FileDescriptor*> added;
  AddFile(*file, added, response);
}

}  // namespace

ServerReflectionResponse ReflectionAnswers::AnswerTo(const ServerReflectionRequest& request) const {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      AnswerWithFile(pool.FindFileByName(request.file_by_filename()), response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AnswerWithFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
      break;
    case ServerReflectionRequest::kListServices:
      for (const std::string& name : names_) response.mutable_list_services_response()->add_service()->set_name(name);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      SetError(response, grpc::StatusCode::NOT_FOUND, "there are no extensions here");
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      SetError(response, grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing that is known here");
      break;
  }
  return response;
}

absl::Status ReflectionAnswers::Answer(grpc::ByteBuffer& bytes, const PoolFor& pool, CountedAnswer& answer) const {
  ServerReflectionRequest request;
  TENSORFERRY_RETURN_IF_ERROR(ParseMessage(bytes, request));
  return answer.Write(AnswerTo(request), pool);
}

template <typename Code>
void ReflectionService<Code>::Serve(ServingQueue& queue) {
  methods_.slots().Serve([this, &queue](CallSlots& slots) { ServeInfo(queue.get(), slots); });
}

template <typename Code>
Detached ReflectionService<Code>::ServeInfo(grpc::ServerCompletionQueue* queue, CallSlots& slots) {
  CallSlots::Slot slot(slots);
  AsyncStreamCall<grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> call;
  WaitLimit::Member waits(methods_.waits(), &call);
  grpc::ByteBuffer bytes;
  CountedAnswer answer;
  const auto expect = [&](auto* context, auto* stream, Tag* tag) {
    service_.RequestServerReflectionInfo(context, stream, queue, queue, tag);
  };
  const auto& method = FindMethod(*Code::Request::descriptor(), *Code::Response::descriptor(), Streams::kBoth);
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    Admission admission(methods_.chain(), {method, call, CallKind::kManagement});
    absl::Status status = admission.status();
    while (status.ok() && co_await call.Read(bytes)) {
      ++admission.record().messages_in;
      status = Guarded([&] { return answers_.Answer(bytes, {methods_.pool(), &call}, answer); });
      if (!status.ok()) break;
      call.Write(answer.bytes);
      const bool read = co_await waits.OrCancel(call.written, call);
      answer = {};
      if (!read) break;
      ++admission.record().messages_out;
    }
    admission.Finish(status);
    const CallEnd end = ServedMethods::PlainEnd(status);
    call.Finish(end.sent);
    co_await waits.OrCancel(call.finished, call);
    co_await call.done;
  } while (slot.WaitAgain());
}

template class ReflectionService<ReflectionV1Code>;
template class ReflectionService<ReflectionV1AlphaCode>;

}  // namespace tensorferry::rpc
