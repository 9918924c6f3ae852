#include "inference/engine/pickled_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "inference/engine/exported_json.h"
#include "inference/engine/pickle_bytes.h"
#include "payload/shape.h"

namespace tensorferry::inference {
namespace {

struct PickledValue;
using PickledPtr = std::shared_ptr<const PickledValue>;

struct PickledMark {};
struct PickledNone {};

// PythonName is a name of Python's: "torch._utils _rebuild_tensor_v2".
struct PythonName {
  std::string name;
};

struct PickledTuple {
  std::vector<PickledPtr> items;
};

// PickledTensors has the tensors that were put into it. It holds no other values, so that no value holds itself.
struct PickledTensors {
  std::map<std::string, ExportedWeight> weights;
  std::string other;  // The name of one that is no tensor, if there is any.
};

// PickledStorage is where elements are. Those of an untyped one are bytes.
struct PickledStorage {
  std::string member;
  c10::ScalarType dtype;
};

struct PickledValue {
  using Held = std::variant<PickledMark, PickledNone, bool, std::int64_t, std::string, PythonName, PickledTuple,
                            std::shared_ptr<PickledTensors>, PickledStorage, c10::ScalarType, ExportedWeight>;
  Held held;
  int depth = 0;  // How deeply tuples are nested in it.
};

constexpr int kMaxPickledDepth = 8;  // torch's own tuples are nested two deep.

template <typename T>
const T& HeldAs(const PickledPtr& value, std::string_view expected) {
  if (const T* const held = std::get_if<T>(&value->held)) return *held;
  throw WrongProgram(fmt::format("what should be {} is something else", expected));
}

std::int64_t IntIn(const PickledPtr& value) { return HeldAs<std::int64_t>(value, "a whole number"); }
const std::string& TextIn(const PickledPtr& value) { return HeldAs<std::string>(value, "a text"); }

// Returns the sizes or strides of a tensor. Without a bound a short pickle could have millions of them in each of its tensors,
// as all may take them from one tuple.
std::vector<std::int64_t> DimsIn(const PickledPtr& value) {
  const std::vector<PickledPtr>& items = HeldAs<PickledTuple>(value, "a tuple").items;
  if (items.size() > kMaxNdim) {
    throw WrongProgram(fmt::format("a tensor has {} dimensions, at most {} are read", items.size(), kMaxNdim));
  }
  std::vector<std::int64_t> dims;
  for (const PickledPtr& item : items) dims.push_back(IntIn(item));
  return dims;
}

struct PickledDtype {
  std::string_view name;
  c10::ScalarType dtype;
};

template <std::size_t kSize>
std::optional<c10::ScalarType> DtypeIn(const std::array<PickledDtype, kSize>& rows, std::string_view name) {
  const auto row = std::ranges::find(rows, name, &PickledDtype::name);
  return row == rows.end() ? std::nullopt : std::optional(row->dtype);
}

constexpr auto kStorageClasses = std::to_array<PickledDtype>({{"torch BoolStorage", c10::kBool},
                                                              {"torch ByteStorage", c10::kByte},
                                                              {"torch CharStorage", c10::kChar},
                                                              {"torch ShortStorage", c10::kShort},
                                                              {"torch IntStorage", c10::kInt},
                                                              {"torch LongStorage", c10::kLong},
                                                              {"torch HalfStorage", c10::kHalf},
                                                              {"torch BFloat16Storage", c10::kBFloat16},
                                                              {"torch FloatStorage", c10::kFloat},
                                                              {"torch DoubleStorage", c10::kDouble},
                                                              {"torch ComplexFloatStorage", c10::kComplexFloat},
                                                              {"torch ComplexDoubleStorage", c10::kComplexDouble},
                                                              {"torch.storage UntypedStorage", c10::kByte}});

// The dtypes without a class of storages.
constexpr auto kOtherDtypes = std::to_array<PickledDtype>({{"torch uint16", c10::kUInt16},
                                                           {"torch uint32", c10::kUInt32},
                                                           {"torch uint64", c10::kUInt64},
                                                           {"torch complex32", c10::kComplexHalf},
                                                           {"torch float8_e4m3fn", c10::kFloat8_e4m3fn},
                                                           {"torch float8_e4m3fnuz", c10::kFloat8_e4m3fnuz},
                                                           {"torch float8_e5m2", c10::kFloat8_e5m2},
                                                           {"torch float8_e5m2fnuz", c10::kFloat8_e5m2fnuz},
                                                           {"torch float8_e8m0fnu", c10::kFloat8_e8m0fnu}});

PickledValue::Held NameOrDtype(std::string name) {
  if (const auto dtype = DtypeIn(kOtherDtypes, name)) return *dtype;
  return PythonName{std::move(name)};
}

// Returns what the persistent id of a storage says: ("storage", class, key, device, numel).
PickledStorage StorageIn(const PickledPtr& id) {
  const std::vector<PickledPtr>& fields = HeldAs<PickledTuple>(id, "a tuple").items;
  if (fields.size() != 5 || TextIn(fields[0]) != "storage") throw WrongProgram("it refers to what is no storage");
  const std::string& kind = HeldAs<PythonName>(fields[1], "the class of a storage").name;
  const auto dtype = DtypeIn(kStorageClasses, kind);
  if (!dtype) throw WrongProgram(fmt::format("storages of {} are not read here", Quote(kind)));
  return {.member = "data/" + TextIn(fields[2]), .dtype = *dtype};
}

// Returns the tensor of _rebuild_tensor_v2 and _v3: (storage, offset, sizes, strides, requires_grad, hooks), then the
// dtype for v3, and at last what torch keeps of a tensor besides its elements, if there is anything.
ExportedWeight RebuiltTensor(const std::vector<PickledPtr>& fields, bool has_dtype) {
  const std::size_t count = has_dtype ? 7 : 6;
  if (fields.size() == count + 1) throw WrongProgram("a tensor is conjugated or negated, or has marks of its own");
  if (fields.size() != count) throw WrongProgram("a tensor has another number of fields than torch writes");
  const PickledStorage& storage = HeldAs<PickledStorage>(fields[0], "a storage");
  return {.member = storage.member,
          .dtype = has_dtype ? HeldAs<c10::ScalarType>(fields[6], "a dtype") : storage.dtype,
          .sizes = DimsIn(fields[2]),
          .strides = DimsIn(fields[3]),
          .offset = IntIn(fields[1]),
          .requires_grad = HeldAs<bool>(fields[4], "a bool")};
}

PickledValue::Held CallPython(const std::string& function, const std::vector<PickledPtr>& arguments) {
  if (function == "collections OrderedDict" && arguments.empty()) return std::make_shared<PickledTensors>();
  if (function == "torch._utils _rebuild_tensor_v2") return RebuiltTensor(arguments, /*has_dtype=*/false);
  if (function == "torch._utils _rebuild_tensor_v3") return RebuiltTensor(arguments, /*has_dtype=*/true);
  const bool has_state = function == "torch._utils _rebuild_parameter_with_state" && arguments.size() == 4;
  if (has_state || (function == "torch._utils _rebuild_parameter" && arguments.size() == 3)) {
    ExportedWeight weight = HeldAs<ExportedWeight>(arguments[0], "a tensor");
    weight.requires_grad = HeldAs<bool>(arguments[1], "a bool");
    return weight;
  }
  throw WrongProgram(fmt::format("it calls {}, and this server runs no code of Python's", Quote(function)));
}

// Pickle carries out the instructions of a pickle that build names, numbers, tuples and dictionaries of tensors.
class Pickle {
 public:
  explicit Pickle(std::string_view text) : bytes_(text) {}

  std::map<std::string, ExportedWeight> Read() {
    for (std::uint8_t code = bytes_.Byte(); code != '.'; code = bytes_.Byte()) Step(code);
    const PickledPtr top = Pop();
    const PickledTensors& dictionary = *HeldAs<std::shared_ptr<PickledTensors>>(top, "a dictionary");
    if (!dictionary.other.empty()) throw WrongProgram(fmt::format("{} is no tensor", Quote(dictionary.other)));
    return dictionary.weights;
  }

 private:
  void Step(std::uint8_t code) {
    if (StepOfConstant(code) || StepOfMemo(code)) return;
    switch (code) {
      case '(': return Push(PickledMark{});
      case 't': return PushTuple(PopToMark());
      case 0x85: return PushTuple(PopLast(1));
      case 0x86: return PushTuple(PopLast(2));
      case 0x87: return PushTuple(PopLast(3));
      case '}': return Push(std::make_shared<PickledTensors>());
      case 's': return SetItems(PopLast(2));
      case 'u': return SetItems(PopToMark());
      case 'Q': return Push(StorageIn(Pop()));
      case 'R': {
        const PickledPtr arguments = Pop(), function = Pop();
        return Push(CallPython(HeldAs<PythonName>(function, "a function").name,
                               HeldAs<PickledTuple>(arguments, "a tuple").items));
      }
      case 'b': {  // Attributes of a dictionary, such as torch's _metadata: they say nothing of its tensors.
        PopLast(1);
        HeldAs<std::shared_ptr<PickledTensors>>(Top(), "a dictionary");
        return;
      }
      default: throw WrongProgram(fmt::format("the instruction {:#04x} is not one of tensors", code));
    }
  }

  // Carries out an instruction that pushes what is written in it, or only says how the rest is written.
  bool StepOfConstant(std::uint8_t code) {
    switch (code) {
      case 0x80: bytes_.Skip(1); return true;  // The protocol's version.
      case 0x95: bytes_.Skip(8); return true;  // The size of a frame.
      case 'N': Push(PickledNone{}); return true;
      case 0x88: Push(true); return true;
      case 0x89: Push(false); return true;
      case 'J': Push(bytes_.Signed(4)); return true;
      case 'K': Push(bytes_.Unsigned(1)); return true;
      case 'M': Push(bytes_.Unsigned(2)); return true;
      case 0x8a: Push(bytes_.Signed(bytes_.Byte())); return true;
      case 'X': Push(bytes_.Text(4)); return true;
      case 0x8c: Push(bytes_.Text(1)); return true;
      case ')': PushTuple({}); return true;
      case 'c': {
        const std::string module = bytes_.Line();
        Push(NameOrDtype(module + " " + bytes_.Line()));
        return true;
      }
      case 0x93: {
        const PickledPtr name = Pop(), module = Pop();
        Push(NameOrDtype(TextIn(module) + " " + TextIn(name)));
        return true;
      }
      default: return false;
    }
  }

  bool StepOfMemo(std::uint8_t code) {
    switch (code) {
      case 'q': memo_[bytes_.Unsigned(1)] = Top(); return true;
      case 'r': memo_[bytes_.Unsigned(4)] = Top(); return true;
      case 0x94: memo_[static_cast<std::int64_t>(memo_.size())] = Top(); return true;
      case 'h': Recall(bytes_.Unsigned(1)); return true;
      case 'j': Recall(bytes_.Unsigned(4)); return true;
      default: return false;
    }
  }

  void Recall(std::int64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) throw WrongProgram("it recalls what it has not stored");
    stack_.push_back(found->second);
  }

  void SetItems(const std::vector<PickledPtr>& items) {
    PickledTensors& dictionary = *HeldAs<std::shared_ptr<PickledTensors>>(Top(), "a dictionary");
    if (items.size() % 2 != 0) throw WrongProgram("a name stands without a value");
    for (std::size_t i = 0; i < items.size(); i += 2) {
      const std::string& name = TextIn(items[i]);
      if (const auto* const weight = std::get_if<ExportedWeight>(&items[i + 1]->held)) {
        dictionary.weights.insert_or_assign(name, *weight);
      } else {
        dictionary.other = name;
      }
    }
  }

  void Push(PickledValue::Held held) {
    stack_.push_back(std::make_shared<const PickledValue>(PickledValue{std::move(held)}));
  }

  void PushTuple(std::vector<PickledPtr> items) {
    int depth = 0;
    for (const PickledPtr& item : items) depth = std::max(depth, item->depth + 1);
    if (depth > kMaxPickledDepth)
      throw WrongProgram(fmt::format("tuples are nested more than {} deep", kMaxPickledDepth));
    stack_.push_back(std::make_shared<const PickledValue>(PickledValue{PickledTuple{std::move(items)}, depth}));
  }

  const PickledPtr& Top() const {
    if (stack_.empty()) throw WrongProgram("it takes more than there is");
    return stack_.back();
  }

  PickledPtr Pop() {
    PickledPtr top = Top();
    stack_.pop_back();
    return top;
  }

  std::vector<PickledPtr> PopLast(std::size_t count) {
    if (stack_.size() < count) throw WrongProgram("it takes more than there is");
    std::vector<PickledPtr> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }

  std::vector<PickledPtr> PopToMark() {
    const auto is_mark = [](const PickledPtr& value) { return std::holds_alternative<PickledMark>(value->held); };
    const auto mark = std::find_if(stack_.rbegin(), stack_.rend(), is_mark);
    if (mark == stack_.rend()) throw WrongProgram("it takes more than there is");
    std::vector<PickledPtr> items = PopLast(static_cast<std::size_t>(mark - stack_.rbegin()));
    stack_.pop_back();
    return items;
  }

  PickleBytes bytes_;
  std::vector<PickledPtr> stack_;
  std::map<std::int64_t, PickledPtr> memo_;
};

}  // namespace

absl::StatusOr<std::map<std::string, ExportedWeight>> ReadPickledWeights(std::string_view pickle) {
  try {
    return Pickle(pickle).Read();
  } catch (const WrongProgram& error) {
    return MakeError(Reason::kModelNotReady, fmt::format("the pickled weights cannot be read: {}", error.what()));
  }
}

}  // namespace tensorferry::inference
