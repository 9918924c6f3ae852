// Validates a ServiceMonitor, as JSON on standard input, by the schema of the Prometheus operator.
import { readFileSync } from "node:fs";

const models = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index.js";
const { ServiceMonitor } = await import(`${process.env.TENSORFERRY_NODE_MODULES}/${models}`);
new ServiceMonitor(JSON.parse(readFileSync(0, "utf8"))).validate();
