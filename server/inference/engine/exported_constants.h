#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <c10/core/Device.h>

#include <optional>

namespace tensorferry::inference {

// Returns the tensor that torch makes of a number where an operator takes a tensor. It decides less about the dtype of
// a result than other tensors do. Throws: c10::Error if `number` is none.
at::Tensor TensorOfNumber(const c10::IValue& number);

// Returns the constant as an operator takes it that wants `type`, or nothing if it cannot take it. Every device becomes
// `device`.
std::optional<c10::IValue> FitConstant(const c10::IValue& constant, const c10::Type& type, at::Device device);

}  // namespace tensorferry::inference
