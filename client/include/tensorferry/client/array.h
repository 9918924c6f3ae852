#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tensorferry::client {

// kDTypeName is NumPy's name of a C++ element type. A type of your own has it in a static member `dtype_name`:
// "bfloat16".
template <typename T>
inline constexpr std::string_view kDTypeName = T::dtype_name;
template <>
inline constexpr std::string_view kDTypeName<bool> = "bool";
template <>
inline constexpr std::string_view kDTypeName<std::int8_t> = "int8";
template <>
inline constexpr std::string_view kDTypeName<std::int16_t> = "int16";
template <>
inline constexpr std::string_view kDTypeName<std::int32_t> = "int32";
template <>
inline constexpr std::string_view kDTypeName<std::int64_t> = "int64";
template <>
inline constexpr std::string_view kDTypeName<std::uint8_t> = "uint8";
template <>
inline constexpr std::string_view kDTypeName<std::uint16_t> = "uint16";
template <>
inline constexpr std::string_view kDTypeName<std::uint32_t> = "uint32";
template <>
inline constexpr std::string_view kDTypeName<std::uint64_t> = "uint64";
template <>
inline constexpr std::string_view kDTypeName<float> = "float32";
template <>
inline constexpr std::string_view kDTypeName<double> = "float64";
template <>
inline constexpr std::string_view kDTypeName<std::complex<float>> = "complex64";
template <>
inline constexpr std::string_view kDTypeName<std::complex<double>> = "complex128";

// Array is one array to send: a view of the caller's memory. The client checks nothing; the server refuses what does
// not fit.
//
// Lifetime: `bytes` must stay until the call that sends the array returns; they are copied on the way. With an `owner`
//           they are sent from where they are: gRPC holds on to the owner for as long as it needs them, which may be
//           longer than the call if that ends early.
struct Array {
  enum class Form : std::uint8_t {
    kElements,  // `bytes` are the elements, without gaps.
    kNpy,       // `bytes` are a whole .npy file, which states shape and order itself.
  };

  std::string name;   // The name of the model's input, or any label.
  std::string dtype;  // `<f4`, `float32`, `bfloat16`; for a .npy: empty, or what its ambiguous `<V2` holds.
  std::vector<std::int64_t> shape;  // Elements per dimension; empty for a scalar.
  bool fortran_order = false;
  std::span<const std::byte> bytes;
  Form form = Form::kElements;
  std::shared_ptr<const void> owner = nullptr;  // Keeps `bytes` where they are; if null, the caller does.

  // Of makes an array of C++ values in C order that it borrows: Array::Of("x", {2, 3}, std::span(values)).
  template <typename T, std::size_t kExtent>
  static Array Of(std::string name, std::vector<std::int64_t> shape, std::span<T, kExtent> values) {
    return {.name = std::move(name),
            .dtype = std::string(kDTypeName<std::remove_cv_t<T>>),
            .shape = std::move(shape),
            .bytes = std::as_bytes(values)};
  }

  // Of makes an array that takes `values` over, so that they are never copied.
  template <typename T>
  requires(!std::is_same_v<T, bool>)  // std::vector<bool> is packed.
      static Array Of(std::string name, std::vector<std::int64_t> shape, std::vector<T>&& values) {
    auto owner = std::make_shared<const std::vector<T>>(std::move(values));
    Array array = Of(std::move(name), std::move(shape), std::span(*owner));
    array.owner = std::move(owner);
    return array;
  }

  // Npy makes an array of a whole .npy file.
  static Array Npy(std::string name, std::span<const std::byte> file, std::string dtype = "") {
    return {.name = std::move(name), .dtype = std::move(dtype), .bytes = file, .form = Form::kNpy};
  }
};

}  // namespace tensorferry::client
