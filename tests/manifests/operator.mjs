// Validates a resource, as JSON on standard input, by the schema that the Prometheus operator has of its kind.
import { readFileSync } from "node:fs";

const models = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index.js";
const kinds = await import(`${process.env.TENSORFERRY_NODE_MODULES}/${models}`);
const resource = JSON.parse(readFileSync(0, "utf8"));
new kinds[resource.kind](resource).validate();
