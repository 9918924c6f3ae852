// The script of a page of another origin, which calls the server by gRPC-Web. The names without a path are those of the
// import map in the page: the packages as npm has them.
import { createFileRegistry, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "grpc-web";
import { callByConnect, callByGrpcWeb } from "./web_calls.mjs";

const packages = { createClient, createGrpcWebTransport, GrpcWebClientBase, MethodDescriptor, MethodType, toBinary, fromBinary };
const descriptors = await (await fetch("descriptors.bin")).arrayBuffer();
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, new Uint8Array(descriptors)));

/** Calls as `asked` says, by names and in JSON, and returns {messages, error}. */
globalThis.callServer = async ({ client, service: serviceName, method: methodName, request, ...asked }) => {
  const service = registry.getService(serviceName);
  const method = service.methods.find(({ name }) => name === methodName);
  const messages = [];
  const given = { ...asked, service, method, request: fromJson(method.input, request), format: client };
  const call = client === "connect" ? callByConnect : callByGrpcWeb;
  const error = await call(packages, given, (message) => messages.push(toJson(method.output, message)));
  return { messages, error };
};
