#pragma once

#include <grpcpp/support/status.h>

#include <optional>
#include <string>

#include "http/message.h"
#include "outcome/outcome_json.h"
#include "web/convert_message.h"

namespace tensorferry::web {

// ConvertVerdict is how a converted array compares with the bytes that came.
struct ConvertVerdict {
  bool dtype_equal = false;
  bool digest_equal = false;
};

// ConvertOutcome collects what came of the arrays of a body, and makes the answer.
class ConvertOutcome {
 public:
  ConvertOutcome() = default;
  ConvertOutcome(std::string server, std::string request_id) {
    facts_.server = std::move(server);
    facts_.request_id = std::move(request_id);
  }

  void Add(const ConvertedArray& converted, ConvertVerdict verdict);
  void Refuse(const std::string& name, const grpc::Status& error);
  void Skip(const std::string& member) { facts_.skipped.push_back(member); }
  // Says why nothing was converted, or why not everything was tried.
  void Fail(const grpc::Status& error) { error_ = error; }

  // Returns whether each array was converted.
  bool complete() const { return !error_ && !refused_; }

  // Returns 200 if it is complete, 207 if some arrays were converted, and else the status of the error.
  http::Response Answer() &&;

 private:
  outcome::OutcomeFacts facts_;
  std::optional<grpc::Status> refused_;  // The first refusal.
  std::optional<grpc::Status> error_;
};

}  // namespace tensorferry::web
