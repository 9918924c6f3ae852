// Every method of every service has a rule: a method that somebody adds is closed to all until it gets one.
#include "rpc/access_rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <set>
#include <string>

#include "rpc/health_service.h"
#include "rpc/native/tensor_service.h"
#include "rpc/oip/inference_service.h"
#include "rpc/reflection_service.h"

namespace tensorferry::rpc {
namespace {

TEST(AccessRules, AreThereForEveryMethodOfEveryService) {
  const AccessTable table;
  std::set<std::string> methods;
  for (const char* const name : {TensorService::kName, InferenceService::kName, HealthService::kName,
                                 ReflectionV1::kName, ReflectionV1Alpha::kName}) {
    const auto* const service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; i < service->method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *service->method(i);
      methods.insert(std::string(method.full_name()));
      const AccessRule* const rule = table.Find(method);
      ASSERT_NE(rule, nullptr) << method.full_name() << " needs a rule in rpc/access_rules.cc";
      EXPECT_EQ(rule->method, method.full_name());
    }
  }
  EXPECT_EQ(AccessRules().size(), methods.size()) << "a rule is there twice, or for a method that is not";
}

TEST(AccessRules, AreNotThereForOtherMethods) {
  google::protobuf::FileDescriptorProto file;
  file.set_name("other.proto");
  file.add_message_type()->set_name("M");
  auto& service = *file.add_service();
  service.set_name("Other");
  auto& method = *service.add_method();
  method.set_name("Call");
  method.set_input_type("M");
  method.set_output_type("M");
  google::protobuf::DescriptorPool pool;
  EXPECT_EQ(AccessTable().Find(*pool.BuildFile(file)->service(0)->method(0)), nullptr);
}

}  // namespace
}  // namespace tensorferry::rpc
