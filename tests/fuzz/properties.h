// A property must hold for any bytes at all. Each fuzz target has a function here, which returns what is wrong, or "".
#pragma once

#include <string_view>

namespace tensorferry::fuzz {

// WireReaderMistake checks that a RequestDecoder reads a message in pieces as protobuf's parser reads it whole.
//
// Input: a byte, whose lowest bit is the kind of message and whose others are the number of cuts; for each cut a byte,
//        the length of the piece before it; the message.
std::string_view WireReaderMistake(std::string_view input);

// InferReaderMistake checks that an InferDecoder reads a ModelInferRequest in pieces as protobuf's parser reads it
// whole.
//
// Input: a byte, whose lowest two bits say what the message part is (a request; a parameter of one; an input; the value
//        of an input's parameter) and whose others are the number of cuts; for each cut a byte, the length of the piece
//        before it; the message part.
std::string_view InferReaderMistake(std::string_view input);

// NpyHeaderMistake checks that a .npy header is read from the bytes that it may be read from, and is accepted for one
// size of the file only, which is the one that it says.
//
// Input: the file.
std::string_view NpyHeaderMistake(std::string_view input);

// InferBodyMistake checks that the body of a request for inference over HTTP has the elements that a parser of JSON finds
// in it, that the message made of it says the same, and that no part of the memory budget is held in the end.
//
// Input: a byte, the number of bytes behind the JSON, if there are as many; the body.
std::string_view InferBodyMistake(std::string_view input);

// FileReaderMistake checks that the arrays of a .npz or a safetensors file are read within the limits, and that what is
// read of a file that is written of them is the same.
//
// Input: the file.
std::string_view FileReaderMistake(std::string_view input);

// PackedBodyMistake checks that a body in gzip or deflate is unpacked as zlib itself unpacks it byte by byte, or refused,
// and that the memory budget has what it takes, and nothing in the end.
//
// Input: a byte, which is even for gzip; the body.
std::string_view PackedBodyMistake(std::string_view input);

// SideMessageMistake checks that a message of a side socket is read if it is one, and says what was read.
//
// Input: the message.
std::string_view SideMessageMistake(std::string_view input);

}  // namespace tensorferry::fuzz
