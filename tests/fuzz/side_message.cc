#include "sealed/side_message.h"

#include <cstring>
#include <span>
#include <string>

#include "fuzz/properties.h"

namespace tensorferry::fuzz {
namespace {

// Encoded returns the message that says what `ask` does.
std::string Encoded(const sealed::Ask& ask) {
  std::string message(sealed::kAskHeaderBytes, '\0');
  std::memcpy(message.data(), &sealed::kVersion, sizeof(sealed::kVersion));
  std::memcpy(message.data() + 2, &ask.kind, sizeof(ask.kind));
  std::memcpy(message.data() + 4, &ask.tag, sizeof(ask.tag));
  std::memcpy(message.data() + 8, &ask.nbytes, sizeof(ask.nbytes));
  return message.append(ask.name);
}

// IsMessage returns whether the bytes are one, from the table in docs/shared-memory.md.
bool IsMessage(std::string_view bytes) {
  if (bytes.size() < 16 || !bytes.starts_with(std::string_view("\1\0", 2))) return false;
  const std::string_view kind = bytes.substr(2, 2);
  const bool hands_over = kind == std::string_view("\1\0", 2) || kind == std::string_view("\3\0", 2);
  return kind == std::string_view("\2\0", 2) || (hands_over && bytes.size() == 16);
}

}  // namespace

std::string_view SideMessageMistake(std::string_view input) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(input.data()), input.size());
  const auto ask = sealed::ReadAsk(bytes);
  if (ask.ok() != IsMessage(input)) return ask.ok() ? "what is no message is read" : "a message is refused";
  if (!ask.ok()) {
    const std::string refusal = sealed::EncodeRefusal(sealed::ReadTag(bytes), ask.status());
    return refusal.substr(8).starts_with("BAD_SHARED_MEMORY ") ? "" : "a refusal has another reason";
  }
  if (sealed::ReadTag(bytes) != ask->tag) return "the tag is another one";
  return Encoded(*ask) == input ? "" : "the message says something else";
}

}  // namespace tensorferry::fuzz
