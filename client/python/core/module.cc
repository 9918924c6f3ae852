// The module tensorferry._core has what the blocking Python client does in C++.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "borrowed.h"
#include "channel.h"
#include "gil.h"
#include "pipelined_stream.h"
#include "released.h"
#include "request.h"
#include "response.h"
#include "stream.h"

namespace nb = nanobind;

namespace tensorferry::core {
namespace {

using Pairs = std::vector<std::pair<nb::bytes, nb::bytes>>;
using Texts = std::tuple<nb::bytes, nb::bytes, nb::bytes>;
using WritableBytes = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

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

nb::list ToArrays(SplitResponse& response) {
  nb::list arrays;
  for (std::optional<Elements>& elements : response.elements) arrays.append(ToArray(elements));
  return arrays;
}

void MakeChannel(Channel* place, const std::string& address, const Options& options, const Pairs& metadata,
                 const std::optional<Texts>& tls, bool wait_for_ready) {
  ChannelSettings settings{.options = options, .metadata = {}, .tls = {}, .wait_for_ready = wait_for_ready};
  for (const auto& [key, value] : metadata) settings.metadata.emplace_back(ToString(key), ToString(value));
  if (tls) {
    const auto& [ca, key, certificate] = *tls;
    settings.tls = {.ca = ToString(ca), .key = ToString(key), .certificate = ToString(certificate)};
  }
  new (place) Channel(address, std::move(settings));
}

nb::tuple Failure(const grpc::Status& status, const Metadata& metadata) {
  nb::list trailers;
  for (const auto& [key, value] : metadata) trailers.append(nb::make_tuple(ToBytes(key), ToBytes(value)));
  return nb::make_tuple(static_cast<int>(status.error_code()), ToBytes(status.error_message()), trailers);
}

// Convert returns (0, the response without elements, the elements), or (the status code, the message, the trailers).
nb::tuple Convert(Channel& channel, const nb::sequence& pieces, std::optional<double> timeout) {
  TheReleased().Drain();
  CallEnd end = channel.Convert(MakeMessage(pieces), timeout);
  TheReleased().Drain();
  if (!end.status.ok()) return Failure(end.status, end.trailers);
  return nb::make_tuple(0, ToBytes(end.response.rest), ToArrays(end.response));
}

void Close(Channel& channel) {
  {
    const WithoutGil released;
    channel.Close();
  }
  TheReleased().Drain();
}

bool Send(Stream& stream, const nb::sequence& pieces) {
  TheReleased().Drain();
  const grpc::ByteBuffer message = MakeMessage(pieces);
  const WithoutGil released;
  return stream.Send(message);
}

// SendAlone is Send for a stream that goes on by itself.
void SendAlone(PipelinedStream& stream, const nb::sequence& pieces) {
  TheReleased().Drain();
  PipelinedStream::Part message = MakeMessage(pieces);
  const WithoutGil released;
  stream.Send(std::move(message));
}

// Read returns the next message; the number of its bytes if it is a chunk that now lies in `room`; (the response without
// elements, the elements) if these were cut out; at the end of the call (the status code, the message, the trailers).
template <typename AnyStream>
nb::object Read(AnyStream& stream, std::optional<WritableBytes> room) {
  std::optional<grpc::ByteBuffer> message;
  std::optional<std::size_t> copied;
  std::optional<SplitResponse> response;
  {
    const WithoutGil released;
    message = stream.Read();
    if (message && room) copied = CopyChunk(*message, std::as_writable_bytes(std::span(room->data(), room->size())));
    if (message && !copied) response = SplitStreamed(*message);
  }
  TheReleased().Drain();
  if (!message) return Failure(stream.status(), stream.Trailers());
  if (copied) return nb::cast(*copied);
  if (response) return nb::make_tuple(ToBytes(response->rest), ToArrays(*response));
  return ToBytes(Whole(*message));
}

}  // namespace

NB_MODULE(_core, module) {
  nb::set_leak_warnings(false);  // What a forked process abandons is never destroyed.
  using Unlocked = nb::call_guard<WithoutGil>;
  nb::class_<BorrowedChunks>(module, "Chunks")
      .def("__init__", &MakeChunks, nb::arg("memory"), nb::arg("limit"), nb::arg("swapped"), nb::arg("digest").none())
      .def("__iter__", [](nb::handle self) { return nb::borrow<nb::object>(self); })
      .def("__next__", &BorrowedChunks::Next)
      .def("digest", &BorrowedChunks::Digest)
      .def(
          "end", [](const BorrowedChunks& self) { self.chunks->End(); }, Unlocked());
  nb::class_<Stream>(module, "Stream")
      .def("send", &Send, nb::arg("pieces"))
      .def("send_chunks", [](Stream& self, const BorrowedChunks& chunks) { return chunks.SendOn(self); })
      .def("end_sending", &Stream::EndSending, Unlocked())
      .def("read", &Read<Stream>, nb::arg("room").none())
      .def("is_over", &Stream::IsOver, Unlocked())
      .def("cancel", &Stream::Cancel, Unlocked());
  nb::class_<PipelinedStream>(module, "PipelinedStream")
      .def("send", &SendAlone, nb::arg("pieces"))
      .def(
          "send_chunks", [](PipelinedStream& self, const BorrowedChunks& chunks) { self.Send(chunks.chunks); },
          Unlocked())
      .def("end_sending", &PipelinedStream::EndSending, Unlocked())
      .def("read", &Read<PipelinedStream>, nb::arg("room").none())
      .def("is_over", &PipelinedStream::IsOver, Unlocked())
      .def("cancel", &PipelinedStream::Cancel, Unlocked());
  nb::class_<Channel>(module, "Channel")
      .def("__init__", &MakeChannel, nb::arg("address"), nb::arg("options"), nb::arg("metadata"), nb::arg("tls").none(),
           nb::arg("wait_for_ready"))
      .def("convert", &Convert, nb::arg("pieces"), nb::arg("timeout").none())
      .def("open_stream", &Channel::OpenStream, Unlocked())
      .def("open_pipelined_stream", &Channel::OpenPipelinedStream, nb::arg("timeout").none(), Unlocked())
      .def("abandon", &Channel::Abandon)
      .def("close", &Close);
}

}  // namespace tensorferry::core
