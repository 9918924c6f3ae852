#include "rpc/serve/method.h"

#include <fmt/format.h>

#include <stdexcept>

namespace tensorferry::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;

bool IsIt(const MethodDescriptor& method, const Descriptor& request, const Descriptor& response, Streams streams) {
  return method.input_type() == &request && method.output_type() == &response &&
         method.client_streaming() == (streams == Streams::kBoth) &&
         method.server_streaming() == (streams != Streams::kNone);
}

}  // namespace

const MethodDescriptor& FindMethod(const Descriptor& request, const Descriptor& response, Streams streams) {
  const FileDescriptor& file = *request.file();
  const MethodDescriptor* found = nullptr;
  int count = 0;
  for (int i = 0; i < file.service_count(); ++i) {
    for (int j = 0; j < file.service(i)->method_count(); ++j) {
      const MethodDescriptor& method = *file.service(i)->method(j);
      if (!IsIt(method, request, response, streams)) continue;
      found = &method;
      ++count;
    }
  }
  if (count != 1) throw std::logic_error(fmt::format("no method, or several, of {}", request.full_name()));
  return *found;
}

}  // namespace tensorferry::rpc
