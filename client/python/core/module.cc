// The module tensorferry._core has what the blocking Python client does in C++.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "channel.h"
#include "released.h"
#include "request.h"

namespace nb = nanobind;

namespace tensorferry::core {
namespace {

using Pairs = std::vector<std::pair<nb::bytes, nb::bytes>>;

std::string ToString(const nb::bytes& text) { return {text.c_str(), text.size()}; }

nb::bytes ToBytes(const std::string& text) { return nb::bytes(text.data(), text.size()); }

// ToArray returns a NumPy array of bytes that owns the elements.
nb::object ToArray(std::optional<Elements>& elements) {
  if (!elements) return nb::none();
  const std::size_t nbytes = elements->nbytes;
  std::byte* const bytes = elements->bytes.release();
  const nb::capsule owner(bytes, [](void* memory) noexcept { delete[] static_cast<std::byte*>(memory); });
  return nb::cast(nb::ndarray<nb::numpy, std::uint8_t>(bytes, {nbytes}, owner));
}

void MakeChannel(Channel* place, const std::string& address, const Options& options, const Pairs& metadata,
                 bool wait_for_ready) {
  ChannelSettings settings{.options = options, .metadata = {}, .wait_for_ready = wait_for_ready};
  for (const auto& [key, value] : metadata) settings.metadata.emplace_back(ToString(key), ToString(value));
  new (place) Channel(address, std::move(settings));
}

// Convert returns (0, the response without elements, the elements), or (the status code, the message, the trailers).
nb::tuple Convert(Channel& channel, const nb::sequence& pieces, std::optional<double> timeout) {
  TheReleased().Drain();
  CallEnd end = channel.Convert(MakeMessage(pieces), timeout);
  TheReleased().Drain();
  nb::list more;
  if (end.status.ok()) {
    for (std::optional<Elements>& elements : end.response.elements) more.append(ToArray(elements));
    return nb::make_tuple(0, ToBytes(end.response.rest), more);
  }
  for (const auto& [key, value] : end.trailers) more.append(nb::make_tuple(ToBytes(key), ToBytes(value)));
  return nb::make_tuple(static_cast<int>(end.status.error_code()), ToBytes(end.status.error_message()), more);
}

}  // namespace

NB_MODULE(_core, module) {
  nb::class_<Channel>(module, "Channel")
      .def("__init__", &MakeChannel, nb::arg("address"), nb::arg("options"), nb::arg("metadata"),
           nb::arg("wait_for_ready"))
      .def("convert", &Convert, nb::arg("pieces"), nb::arg("timeout").none())
      .def("abandon", &Channel::Abandon)
      .def("close", &Channel::Close, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace tensorferry::core
