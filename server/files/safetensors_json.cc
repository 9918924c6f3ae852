#include "files/safetensors_json.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/status.h"

namespace tensorferry {
namespace {

absl::Status BadHeader(std::string_view why) {
  return MakeError(Reason::kBadHeader, fmt::format("safetensors header: {}", why), {.field = "safetensors"});
}

// HeaderHandler is told of each JSON token in turn, and builds the list of tensors. It knows at each moment what may
// come next, so that nesting costs nothing and no value is built that is not wanted.
class HeaderHandler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  absl::Status status() const { return status_; }
  std::vector<SafetensorsTensor> Take() { return std::move(tensors_); }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a bool"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Unexpected("a fraction or a huge number"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t number) override {
    if (place_ == Place::kShape) return AddDimension(number);
    if (place_ != Place::kOffsets) return Unexpected("a number");
    if (offsets_.size() == 2) return Fail(fmt::format("tensor {} has more than two data_offsets", Name()));
    offsets_.push_back(number);
    return true;
  }

  bool string(string_t& text) override {
    if (place_ == Place::kMetadataValue) return Go(Place::kMetadata);
    if (place_ != Place::kDType) return Unexpected("a string");
    tensors_.back().dtype = std::move(text);
    return Go(Place::kTensor);
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kStart) return Go(Place::kRoot);
    if (place_ == Place::kTensorValue) return Go(Place::kTensor);
    if (place_ == Place::kMetadataObject) return Go(Place::kMetadata);
    return Unexpected("an object");
  }

  bool key(string_t& text) override {
    if (place_ == Place::kRoot) return BeginEntry(text);
    if (place_ == Place::kTensor) return BeginField(text);
    if (!metadata_keys_.insert(text).second) return Fail(fmt::format("__metadata__ has key {} twice", Quote(text)));
    return Go(Place::kMetadataValue);
  }

  bool end_object() override {
    if (place_ == Place::kRoot) return true;
    if (place_ == Place::kTensor && fields_.size() < 3) {
      return Fail(
          fmt::format("tensor {} needs dtype, shape and data_offsets, and has {} of them", Name(), fields_.size()));
    }
    return Go(Place::kRoot);
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::kShapeValue) return Go(Place::kShape);
    if (place_ == Place::kOffsetsValue) return Go(Place::kOffsets);
    return Unexpected("a list");
  }

  bool end_array() override {
    if (place_ == Place::kOffsets) {
      if (offsets_.size() != 2) {
        return Fail(fmt::format("tensor {} has {} data_offsets instead of two", Name(), offsets_.size()));
      }
      tensors_.back().begin = offsets_[0];
      tensors_.back().end = offsets_[1];
    }
    return Go(Place::kTensor);
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return Fail(fmt::format("it is not JSON at byte {}", position));
  }

 private:
  // Place says what the next token belongs to.
  enum class Place : std::uint8_t {
    kStart,
    kRoot,
    kMetadataObject,  // The value of the key __metadata__.
    kMetadata,
    kMetadataValue,
    kTensorValue,  // The value of a tensor's name.
    kTensor,
    kDType,
    kShapeValue,  // The value of the key; kShape is within it.
    kShape,
    kOffsetsValue,
    kOffsets,
  };

  std::string Name() const { return Quote(tensors_.back().name); }

  bool Go(Place place) {
    place_ = place;
    return true;
  }

  bool Fail(std::string_view why) {
    status_ = BadHeader(why);
    return false;
  }

  bool Unexpected(std::string_view what) { return Fail(fmt::format("{} has {}", Where(), what)); }

  // Where returns the subject of a sentence, for the place at which a value of the wrong kind came.
  std::string Where() const {
    switch (place_) {
      case Place::kStart:
      case Place::kRoot: return "the header, which is to be an object,";
      case Place::kMetadataObject: return "__metadata__, which is to be an object,";
      case Place::kMetadata:
      case Place::kMetadataValue: return "__metadata__, whose values are to be strings,";
      case Place::kTensorValue:
      case Place::kTensor: return fmt::format("tensor {}, which is to be an object,", Name());
      case Place::kDType: return fmt::format("the dtype of tensor {}, which is to be a string,", Name());
      case Place::kShapeValue:
      case Place::kShape: return fmt::format("the shape of tensor {}, which is to be a list of whole numbers,", Name());
      case Place::kOffsetsValue:
      case Place::kOffsets: return fmt::format("data_offsets of tensor {}, which are to be two whole numbers,", Name());
    }
    __builtin_unreachable();
  }

  bool BeginEntry(const std::string& name) {
    if (!names_.insert(name).second) return Fail(fmt::format("key {} comes twice", Quote(name)));
    if (name == "__metadata__") return Go(Place::kMetadataObject);
    if (tensors_.size() == kMaxSafetensorsTensors) {
      return Fail(fmt::format("it has more than {} tensors", kMaxSafetensorsTensors));
    }
    tensors_.emplace_back().name = name;
    fields_.clear();
    offsets_.clear();
    return Go(Place::kTensorValue);
  }

  bool BeginField(const std::string& field) {
    if (!fields_.insert(field).second) return Fail(fmt::format("tensor {} has {} twice", Name(), Quote(field)));
    if (field == "dtype") return Go(Place::kDType);
    if (field == "shape") return Go(Place::kShapeValue);
    if (field == "data_offsets") return Go(Place::kOffsetsValue);
    return Fail(
        fmt::format("tensor {} has key {}, which is none of dtype, shape and data_offsets", Name(), Quote(field)));
  }

  bool AddDimension(std::uint64_t number) {
    Shape& shape = tensors_.back().shape;
    if (number > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      return Fail(fmt::format("tensor {} has dimension {}, at most 2^63 - 1 is taken", Name(), number));
    }
    if (shape.size() == kMaxNdim) {
      status_ = InArray(tensors_.back().name,
                        MakeError(Reason::kTooManyDims, fmt::format("shape has more than {} dimensions", kMaxNdim),
                                  {.field = "shape", .limit = fmt::to_string(kMaxNdim)}));
      return false;
    }
    shape.push_back(static_cast<std::int64_t>(number));
    return true;
  }

  absl::Status status_;
  Place place_ = Place::kStart;
  std::vector<SafetensorsTensor> tensors_;
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> metadata_keys_;
  std::unordered_set<std::string> fields_;  // The keys of the last tensor.
  std::vector<std::uint64_t> offsets_;      // The data_offsets of the last tensor.
};

}  // namespace

absl::StatusOr<std::vector<SafetensorsTensor>> ReadSafetensorsJson(std::string_view text) {
  if (!text.starts_with('{')) return BadHeader("it does not begin with {");
  // The parser takes a NUL for the end of the text, whatever follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return BadHeader(fmt::format("it has a NUL at byte {}", nul + 1));
  }
  HeaderHandler handler;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &handler)) return handler.status();
  return handler.Take();
}

}  // namespace tensorferry
