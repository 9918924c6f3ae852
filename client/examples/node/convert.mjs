// Converts an array, and shows why another one is refused: node convert.mjs PROTOS [ADDRESS]
//
// PROTOS is the folder of the .proto files. It needs @grpc/grpc-js and @grpc/proto-loader, from where it stands or from
// TENSORFERRY_NODE_MODULES.
import { createRequire } from "node:module";

const modules = process.env.TENSORFERRY_NODE_MODULES;
const require = createRequire(modules ? `${modules}/` : import.meta.url);
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [protos, address = "localhost:8001"] = process.argv.slice(2);
const files = ["tensorferry/v1/tensor_service.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"];
const loaded = protoLoader.loadSync(files, { includeDirs: [protos], keepCase: true, longs: Number, enums: String });
const { TensorService } = grpc.loadPackageDefinition(loaded).tensorferry.v1;
const decode = (name, bytes) => loaded[name].deserialize(bytes);

const request = (shape, numbers) => ({
  digest: "DIGEST_ALGORITHM_XXH3_128",
  arrays: [{ name: "x", dtype: "<i4", shape, data: Buffer.from(new Int32Array(numbers).buffer) }],
});

const server = new TensorService(address, grpc.credentials.createInsecure());
const convert = (message) =>
  new Promise((resolve, reject) => {
    const deadline = Date.now() + 10_000; // Without one a call waits for as long as the server takes.
    server.Convert(message, { deadline }, (error, response) => (error ? reject(error) : resolve(response)));
  });

const { dtype, shape, receipt } = (await convert(request([2, 2], [1, 2, 3, 4]))).tensors[0].metadata;
const digest = receipt.digest.toString("hex");
console.log(`torch.${dtype} [${shape.join(", ")}], dtype equal: ${receipt.dtype_equal}, digest ${digest}`);

const error = await convert(request([2, 3], [1, 2, 3, 4])).catch((error) => error);
const [details] = error.metadata?.get("grpc-status-details-bin") ?? [];
if (!details) throw new Error(`expected a refusal with details, got ${error.message ?? "an answer"}`);
const status = decode("google.rpc.Status", details);
const detail = status.details.find(({ type_url }) => type_url.endsWith("/google.rpc.ErrorInfo"));
const { reason, metadata } = decode("google.rpc.ErrorInfo", detail.value);
console.log(`refused: ${reason}, expected ${metadata.expected}, actual ${metadata.actual}`);
server.close();
