// Higher-order operators: what they call is a block.
#include <ATen/autocast_mode.h>
#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <iterator>
#include <optional>

#include "inference/engine/exported_run.h"

namespace tensorferry::inference {
namespace {

using Values = std::vector<c10::IValue>;

bool Holds(const c10::IValue& value) {
  return value.isTensor() ? value.toTensor().item().toBool() : value.toScalar().toBool();
}

Values Without(Values values, std::size_t first) {
  values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(first));
  return values;
}

// Returns the number of elements along the first dimension of the tensors `arguments[first]` to `arguments[end - 1]`.
std::int64_t LengthOf(const Values& arguments, std::size_t first, std::size_t end) {
  TORCH_CHECK(first < end, "there is nothing to go over");
  const auto length = [&](std::size_t i) {
    const at::Tensor& tensor = arguments[i].toTensor();
    TORCH_CHECK(tensor.dim() > 0, "a tensor to go over has no dimension");
    return tensor.size(0);
  };
  for (std::size_t i = first; i < end; ++i) {
    TORCH_CHECK(length(i) == length(first), "the tensors to go over have different lengths");
  }
  return length(first);
}

// Stacks what each step gave: `steps[i][j]` is the value j of the step i.
Values Stacked(const std::vector<Values>& steps, std::size_t first) {
  TORCH_CHECK(!steps.empty(), "there is no element to go over");
  Values stacked;
  for (std::size_t j = first; j < steps.front().size(); ++j) {
    std::vector<at::Tensor> tensors;
    for (const Values& step : steps) tensors.push_back(step[j].toTensor());
    stacked.emplace_back(at::stack(tensors));
  }
  return stacked;
}

// AutocastModes are what a program wants of autocasting.
struct AutocastModes {
  at::DeviceType device;
  bool enabled;
  std::optional<at::ScalarType> dtype;
  std::optional<bool> caches;
};

// Reads the modes from the arguments of a node, which come from the file. Throws: c10::Error for others.
AutocastModes AutocastModesIn(const Values& arguments) {
  AutocastModes modes{.device = c10::Device(arguments[0].toStringRef()).type(),
                      .enabled = arguments[2].toBool(),
                      .dtype = std::nullopt,
                      .caches = std::nullopt};
  if (!arguments[1].isNone()) {
    const std::int64_t dtype = arguments[1].toInt();
    TORCH_CHECK(dtype >= 0 && dtype < static_cast<std::int64_t>(at::ScalarType::NumOptions), "there is no dtype ",
                dtype);
    modes.dtype = static_cast<at::ScalarType>(dtype);
  }
  if (!arguments[3].isNone()) modes.caches = arguments[3].toBool();
  return modes;
}

// AutocastScope switches autocasting for its lifetime. Threads run programs of other models, too, so that nothing may
// throw between a switch and the end of the constructor.
class AutocastScope {
 public:
  explicit AutocastScope(const AutocastModes& modes)
      : device_(modes.device),
        was_enabled_(at::autocast::is_autocast_enabled(device_)),
        was_dtype_(at::autocast::get_autocast_dtype(device_)),
        was_caching_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_enabled(device_, modes.enabled);
    if (modes.dtype) at::autocast::set_autocast_dtype(device_, *modes.dtype);
    if (modes.caches) at::autocast::set_autocast_cache_enabled(*modes.caches);
    at::autocast::increment_nesting();
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;
  ~AutocastScope() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_enabled_);
    at::autocast::set_autocast_dtype(device_, was_dtype_);
    at::autocast::set_autocast_cache_enabled(was_caching_);
  }

 private:
  const at::DeviceType device_;
  const bool was_enabled_;
  const at::ScalarType was_dtype_;
  const bool was_caching_;
};

}  // namespace

Values BlockRun::HigherOrder(const BlockNode& node, Values arguments) {
  switch (node.kind) {
    case BlockNode::Kind::kBranch: {
      const bool taken = Holds(arguments[0]);
      return Run(node.blocks[taken ? 0 : 1], Without(std::move(arguments), 1));
    }
    case BlockNode::Kind::kMap: return Map(node, arguments);
    case BlockNode::Kind::kScan: return Scan(node, std::move(arguments));
    case BlockNode::Kind::kLoop: return Loop(node, std::move(arguments));
    case BlockNode::Kind::kScope: return Run(node.blocks[0], Without(std::move(arguments), 1));
    case BlockNode::Kind::kAutocast: return WithAutocast(node, std::move(arguments));
    case BlockNode::Kind::kOperator:
    case BlockNode::Kind::kNumber:
    case BlockNode::Kind::kAssertion: break;
  }
  __builtin_unreachable();
}

Values BlockRun::Map(const BlockNode& node, const Values& arguments) {
  const std::size_t mapped = node.groups[0];
  const std::int64_t length = LengthOf(arguments, 0, mapped);
  std::vector<Values> steps;
  for (std::int64_t step = 0; step < length; ++step) {
    Values inputs = arguments;
    for (std::size_t i = 0; i < mapped; ++i) inputs[i] = arguments[i].toTensor().select(0, step);
    steps.push_back(Run(node.blocks[0], std::move(inputs)));
  }
  return Stacked(steps, 0);
}

Values BlockRun::Scan(const BlockNode& node, Values arguments) {
  const std::size_t carried = node.groups[0], end = carried + node.groups[1];
  const std::int64_t length = LengthOf(arguments, carried, end);
  std::vector<Values> steps;
  for (std::int64_t step = 0; step < length; ++step) {
    Values inputs = arguments;
    for (std::size_t i = carried; i < end; ++i) inputs[i] = arguments[i].toTensor().select(0, step);
    steps.push_back(Run(node.blocks[0], std::move(inputs)));
    std::copy_n(steps.back().begin(), carried, arguments.begin());
  }
  Values results(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(carried));
  for (c10::IValue& stacked : Stacked(steps, carried)) results.push_back(std::move(stacked));
  return results;
}

Values BlockRun::Loop(const BlockNode& node, Values arguments) {
  const std::size_t carried = node.groups[0];
  while (Holds(Run(node.blocks[0], arguments)[0])) {
    Values results = Run(node.blocks[1], arguments);
    std::ranges::move(results, arguments.begin());
  }
  arguments.resize(carried);
  return arguments;
}

Values BlockRun::WithAutocast(const BlockNode& node, Values arguments) {
  const AutocastScope scope(AutocastModesIn(arguments));
  return Run(node.blocks[0], Without(std::move(arguments), 4));
}

}  // namespace tensorferry::inference
