// The kinds of value that settings have. A kind reads a value from a text, writes a value as a text that it reads back
// as the same value, and says in words which texts it takes.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/config.h"

namespace tensorferry::config {

template <typename Kind>
concept ValueKind = requires(const Kind kind, std::string_view text, const typename Kind::Value& value) {
  { kind.Parse(text) } -> std::same_as<std::optional<typename Kind::Value>>;
  { kind.Format(value) } -> std::same_as<std::string>;
  { kind.Expected() } -> std::same_as<std::string>;
};

// Returns the text that the user probably meant by a text of the wrong form, as MeantSize in base/text.h does. A kind
// without Meant does not guess.
template <ValueKind Kind>
std::string MeantBy(const Kind& kind, std::string_view text) {
  if constexpr (requires { kind.Meant(text); }) {
    return kind.Meant(text);
  } else {
    return "";
  }
}

// SizeKind is the kind of a number of bytes, in the grammar of ParseSize.
struct SizeKind {
  using Value = std::uint64_t;
  Value min, max;

  std::string Meant(std::string_view text) const;
  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// DurationKind is the kind of a time, in the grammar of ParseDuration.
struct DurationKind {
  using Value = std::chrono::milliseconds;
  Value min{0}, max;

  std::string Meant(std::string_view text) const;
  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

struct CountKind {
  using Value = int;
  Value min, max;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// SwitchKind is the kind of `on` and `off`.
struct SwitchKind {
  using Value = bool;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// AddressKind is the kind of an address, in the grammar of ParseAddress.
struct AddressKind {
  using Value = std::string;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// AdminAddressKind is the kind of HOST:PORT and `off`.
struct AdminAddressKind {
  using Value = std::string;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// HostKind is the kind of a host's name or address, without a port.
struct HostKind {
  using Value = std::string;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// ModelKind is the kind of `NAME=FILE`.
struct ModelKind {
  using Value = inference::NamedFile;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// PathKind is the kind of the path of a file or folder.
struct PathKind {
  using Value = std::string;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// LoadModelKind is the kind of a model's name, `*` or `none`.
struct LoadModelKind {
  using Value = std::string;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// ModeKind is the kind of a file's mode, in octal digits: `0660`. An empty text is none, which is -1.
struct ModeKind {
  using Value = int;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// DeviceKind is the kind of `cpu`, `cuda` and `cuda:N`.
struct DeviceKind {
  using Value = std::string;

  std::optional<Value> Parse(std::string_view text) const;
  std::string Format(const Value& value) const;
  std::string Expected() const;
};

// NamesKind is the kind of the names of an enumeration. Each name stands at the index that its enumerator has.
struct NamesKind {
  std::span<const std::string_view> names;

  std::optional<std::size_t> Parse(std::string_view text) const;
  std::string Expected() const;
};

template <typename Enum>
struct ChoiceKind {
  using Value = Enum;
  NamesKind names;

  std::optional<Value> Parse(std::string_view text) const {
    const std::optional<std::size_t> index = names.Parse(text);
    return index ? std::optional(static_cast<Value>(*index)) : std::nullopt;
  }
  std::string Format(const Value& value) const { return std::string(names.names[static_cast<std::size_t>(value)]); }
  std::string Expected() const { return names.Expected(); }
};

}  // namespace tensorferry::config
