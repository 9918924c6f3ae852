// What must hold for any bytes at all: a function for each fuzz target, which returns what is wrong, or "".
#pragma once

#include <string_view>

namespace tensorferry::fuzz {

// A RequestDecoder reads a message, in pieces, as protobuf's parser reads it whole.
//
// Input: a byte: its lowest bit is the kind of message, the others are the number of cuts; the length of the piece
// before
//        each cut, a byte each; the message.
std::string_view WireReaderMistake(std::string_view input);

// An InferDecoder reads a ModelInferRequest, in pieces, as protobuf's parser reads it whole.
//
// Input: a byte: its lowest two bits say what the rest is part of (a request; a parameter of one; an input; the value of
//        an input's parameter), the others are the number of cuts; the length of the piece before each cut, a byte each;
//        the rest.
std::string_view InferReaderMistake(std::string_view input);

// A .npy header is read from the bytes that it may be read from, and accepted for one size of the file: that which it
// says.
//
// Input: the file.
std::string_view NpyHeaderMistake(std::string_view input);

}  // namespace tensorferry::fuzz
