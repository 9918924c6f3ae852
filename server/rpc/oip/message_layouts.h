// The MessageLayout of ModelInferRequest: it says where the elements are.
#pragma once

#include <array>

#include "rpc/triton_config/triton_proto.h"
#include "rpc/wire/message_guard.h"

namespace tensorferry::rpc {

inline constexpr std::array kInferContentsFields = {
    FieldLayout{triton::InferTensorContents::kBoolContentsFieldNumber, FieldLayout::Holds::kElements},
    FieldLayout{triton::InferTensorContents::kIntContentsFieldNumber, FieldLayout::Holds::kVarints},
    FieldLayout{triton::InferTensorContents::kInt64ContentsFieldNumber, FieldLayout::Holds::kVarints},
    FieldLayout{triton::InferTensorContents::kUintContentsFieldNumber, FieldLayout::Holds::kVarints},
    FieldLayout{triton::InferTensorContents::kUint64ContentsFieldNumber, FieldLayout::Holds::kVarints},
    FieldLayout{triton::InferTensorContents::kFp32ContentsFieldNumber, FieldLayout::Holds::kElements},
    FieldLayout{triton::InferTensorContents::kFp64ContentsFieldNumber, FieldLayout::Holds::kElements},
    FieldLayout{triton::InferTensorContents::kBytesContentsFieldNumber, FieldLayout::Holds::kElements},
};
inline constexpr MessageLayout kInferContentsLayout{kInferContentsFields};

inline constexpr std::array kInferInputFields = {
    FieldLayout{triton::ModelInferRequest::InferInputTensor::kContentsFieldNumber, FieldLayout::Holds::kMessage,
                &kInferContentsLayout},
};
inline constexpr MessageLayout kInferInputLayout{kInferInputFields};

inline constexpr std::array kModelInferRequestFields = {
    FieldLayout{triton::ModelInferRequest::kInputsFieldNumber, FieldLayout::Holds::kMessage, &kInferInputLayout},
    FieldLayout{triton::ModelInferRequest::kRawInputContentsFieldNumber, FieldLayout::Holds::kElements},
};
inline constexpr MessageLayout kModelInferRequestLayout{kModelInferRequestFields};

}  // namespace tensorferry::rpc
