// MessageLayouts of the messages that callers of TensorService send: they say where the elements are.
#pragma once

#include <array>

#include "rpc/call/request_view.h"
#include "rpc/wire/message_guard.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

inline constexpr std::array kArrayFields = {
    FieldLayout{v1::Array::kDataFieldNumber, FieldLayout::Holds::kElements},
    FieldLayout{v1::Array::kNpyFieldNumber, FieldLayout::Holds::kElements},
};
inline constexpr MessageLayout kArrayLayout{kArrayFields};

inline constexpr std::array kConvertRequestFields = {
    FieldLayout{v1::ConvertRequest::kArraysFieldNumber, FieldLayout::Holds::kMessage, &kArrayLayout, kMaxArrays,
                "arrays"},
    FieldLayout{v1::ConvertRequest::kRequestedOutputsFieldNumber, FieldLayout::Holds::kMetadata, nullptr, kMaxArrays,
                "requested_outputs"},
};
inline constexpr MessageLayout kConvertRequestLayout{kConvertRequestFields};

inline constexpr std::array kConvertStreamRequestFields = {
    FieldLayout{v1::ConvertStreamRequest::kRequestFieldNumber, FieldLayout::Holds::kMessage, &kConvertRequestLayout},
    FieldLayout{v1::ConvertStreamRequest::kChunkFieldNumber, FieldLayout::Holds::kElements},
};
inline constexpr MessageLayout kConvertStreamRequestLayout{kConvertStreamRequestFields};

}  // namespace tensorferry::rpc
