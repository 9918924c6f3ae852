// The MessageLayouts of ModelInferRequest and RepositoryModelLoadRequest: they say where the elements are.
#pragma once

#include <array>

#include "rpc/call/request_view.h"
#include "rpc/oip/infer_view.h"
#include "rpc/triton_config/triton_proto.h"
#include "rpc/wire/message_guard.h"

namespace tensorferry::rpc {

// The most strings in typed contents: each takes some 40 bytes more than on the wire once it is parsed.
inline constexpr std::size_t kMaxTypedStrings = 1 << 21;

inline constexpr std::array kInferContentsFields = {
    NumbersLayout(triton::InferTensorContents::kBoolContentsFieldNumber, FieldLayout::Holds::kElements, 1),
    NumbersLayout(triton::InferTensorContents::kIntContentsFieldNumber, FieldLayout::Holds::kVarints, 4),
    NumbersLayout(triton::InferTensorContents::kInt64ContentsFieldNumber, FieldLayout::Holds::kVarints, 8),
    NumbersLayout(triton::InferTensorContents::kUintContentsFieldNumber, FieldLayout::Holds::kVarints, 4),
    NumbersLayout(triton::InferTensorContents::kUint64ContentsFieldNumber, FieldLayout::Holds::kVarints, 8),
    NumbersLayout(triton::InferTensorContents::kFp32ContentsFieldNumber, FieldLayout::Holds::kElements, 4),
    NumbersLayout(triton::InferTensorContents::kFp64ContentsFieldNumber, FieldLayout::Holds::kElements, 8),
    FieldLayout{.number = triton::InferTensorContents::kBytesContentsFieldNumber,
                .holds = FieldLayout::Holds::kElements,
                .most = kMaxTypedStrings,
                .name = "inputs.contents.bytes_contents",
                .times = 4},  // The strings, their raw form while it grows, and its copy.
};
inline constexpr MessageLayout kInferContentsLayout{kInferContentsFields};

// The most parameters of all inputs together, and of all outputs. Four suffice for shared memory and classification.
inline constexpr std::size_t kMaxPartParameters = 4 * kMaxArrays;

inline constexpr std::array kInferInputFields = {
    FieldLayout{triton::ModelInferRequest::InferInputTensor::kContentsFieldNumber, FieldLayout::Holds::kMessage,
                &kInferContentsLayout},
    FieldLayout{triton::ModelInferRequest::InferInputTensor::kParametersFieldNumber, FieldLayout::Holds::kMetadata,
                nullptr, kMaxPartParameters, "inputs.parameters"},
};
inline constexpr MessageLayout kInferInputLayout{kInferInputFields};

inline constexpr std::array kInferOutputFields = {
    FieldLayout{triton::ModelInferRequest::InferRequestedOutputTensor::kParametersFieldNumber,
                FieldLayout::Holds::kMetadata, nullptr, kMaxPartParameters, "outputs.parameters"},
};
inline constexpr MessageLayout kInferOutputLayout{kInferOutputFields};

inline constexpr std::array kModelInferRequestFields = {
    FieldLayout{triton::ModelInferRequest::kInputsFieldNumber, FieldLayout::Holds::kMessage, &kInferInputLayout,
                kMaxArrays, "inputs"},
    FieldLayout{triton::ModelInferRequest::kOutputsFieldNumber, FieldLayout::Holds::kMessage, &kInferOutputLayout,
                kMaxArrays, "outputs"},
    FieldLayout{.number = triton::ModelInferRequest::kRawInputContentsFieldNumber,
                .holds = FieldLayout::Holds::kElements,
                .most = kMaxArrays,
                .name = "raw_input_contents",
                .times = 2},
    FieldLayout{triton::ModelInferRequest::kParametersFieldNumber, FieldLayout::Holds::kMetadata, nullptr,
                kMaxParameters, "parameters"},
};
inline constexpr MessageLayout kModelInferRequestLayout{kModelInferRequestFields};

// The elements of a load are the bytes of its files: values of the map of parameters.
inline constexpr int kMapValueFieldNumber = 2;
inline constexpr std::array kLoadParameterFields = {
    FieldLayout{triton::ModelRepositoryParameter::kBytesParamFieldNumber, FieldLayout::Holds::kElements}};
inline constexpr MessageLayout kLoadParameterLayout{kLoadParameterFields};
inline constexpr std::array kLoadParametersFields = {
    FieldLayout{kMapValueFieldNumber, FieldLayout::Holds::kMessage, &kLoadParameterLayout}};
inline constexpr MessageLayout kLoadParametersLayout{kLoadParametersFields};
inline constexpr std::array kModelLoadRequestFields = {FieldLayout{
    triton::RepositoryModelLoadRequest::kParametersFieldNumber, FieldLayout::Holds::kMessage, &kLoadParametersLayout}};
inline constexpr MessageLayout kModelLoadRequestLayout{kModelLoadRequestFields};

}  // namespace tensorferry::rpc
