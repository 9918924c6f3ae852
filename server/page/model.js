// The page of one model: what it takes and gives, its statistics, and its configuration.
import { server, ServerError } from "./api.js";
import { histogramBars, histogramTable, shareBar } from "./charts.js";
import { h, problem, replaceKeepingFocus, table, tile } from "./dom.js";
import { countText, secondsText } from "./format.js";
import { histogram, parseMetrics, quantile } from "./prometheus.js";
import { modelAddress, platformText, sizesText, stateBadge } from "./spec.js";

/** @typedef {import("./api.js").Statistics} Statistics */
/** @typedef {import("./api.js").IndexEntry} IndexEntry */
/** @typedef {import("./prometheus.js").Histogram} Histogram */
/** @typedef {{name: string, version: string}} Version */

const PERIOD_MS = 3000;

const STAGES = {
  queue: "Waiting in the queue", compute_input: "Gathering inputs", compute_infer: "Running the model",
  compute_output: "Outputs",
};

/** @param {string} label @param {import("./api.js").TensorSpec[]} specs */
const specTable = (label, specs) => h("section", {}, h("h2", {}, label), table(label, ["Name", "dtype", "Shape"],
  specs.map((spec) => [h("code", {}, spec.name), spec.datatype || "any", spec.shape.length ? h("code", {}, sizesText(spec.shape)) : "any"])));

/** @param {import("./api.js").Duration} [duration] */
const secondsOf = (duration) => Number(duration?.ns ?? 0) / 1e9;
/** @param {import("./api.js").Duration} [duration] */
const meanOf = (duration) => secondsOf(duration) / Number(duration?.count || NaN);

/** @param {Statistics} statistics Returns how long requests are in each stage, with a bar of its share. */
function stageTable({ inference_stats: parts = {} }) {
  const whole = Object.keys(STAGES).reduce((sum, key) => sum + secondsOf(parts[key]), 0);
  const rows = Object.entries(STAGES).map(([key, name]) => {
    const seconds = secondsOf(parts[key]);
    return [name, shareBar(whole ? seconds / whole : 0, name), secondsText(seconds), secondsText(meanOf(parts[key]))];
  });
  return table("Where the time goes", ["Stage", "Share", "#Time in all", "#Mean"], rows);
}

/** @param {Statistics} statistics */
function statisticsView(statistics) {
  const { inference_stats: parts = {}, inference_count: rows = 0, execution_count: runs = 0 } = statistics;
  const last = Number(statistics.last_inference ?? 0);
  const tiles = h("div", { class: "tiles" },
    tile("Requests answered", countText(Number(parts.success?.count ?? 0))),
    tile("Requests failed", countText(Number(parts.fail?.count ?? 0))),
    tile("Mean time", secondsText(meanOf(parts.success))),
    tile("Runs", countText(Number(runs)), Number(rows) > Number(runs) ? h("span", { class: "note" }, `${countText(Number(rows))} rows in them`) : null),
    tile("Last run", last ? new Date(last).toLocaleTimeString("en-GB") : "–", last ? h("span", { class: "note" }, new Date(last).toLocaleDateString("en-GB")) : null));
  return h("div", {}, tiles, h("section", {}, h("h2", {}, "Where the time goes"), stageTable(statistics)));
}

/** @param {Version} shown @returns {Promise<{times: Histogram, rows: Histogram}>} How long its answered requests took, and how many rows runs had. */
async function histogramsOf({ name, version }) {
  const scrape = parseMetrics(await server.metrics());
  const isThis = (/** @type {Record<string, string>} */ labels) => labels.model === name && labels.version === version;
  const of = (/** @type {string} */ metric) => histogram(scrape, `tensorferry_model_${metric}`, isThis);
  return { times: of("answered_seconds"), rows: of("batch_rows") };
}

/** @param {Histogram} rows Returns how many rows runs had, if some had several. */
function batchChart(rows) {
  if (!rows.counts.at(-1) || rows.counts[0] === rows.counts.at(-1)) return null;
  return h("section", {}, h("h2", {}, "Rows of one run"), histogramBars(rows, "Runs by rows", String, "runs"));
}

/** @param {string} name @param {() => void} reload Returns the buttons that load and unload; the server says who may. */
function controls(name, reload) {
  const answer = h("div", { role: "status" });
  const button = (/** @type {"load" | "unload"} */ what) => h("button", { type: "button", click: async () => {
    answer.replaceChildren(`Asking the server to ${what} ${name} …`);
    try {
      await server.change(name, what);
      answer.replaceChildren(`The server takes the request to ${what} ${name}.`);
      reload();
    } catch (error) {
      answer.replaceChildren(problem(error));
    }
  } }, what === "load" ? "Load" : "Unload");
  return h("div", {}, h("div", { class: "row" }, button("load"), button("unload")), answer);
}

/** Returns a section with the times of a version's answered requests, and what shows them anew; its table stays open. */
function latencySection() {
  const [chart, figures, rows] = [h("div", {}), h("p", {}), h("div", {})];
  const numbers = h("details", { hidden: true }, h("summary", {}, "As a table"), rows);
  const element = h("section", {}, h("h2", {}, "Latency since it was loaded"), figures, chart, numbers);
  /** @param {Histogram} times */
  const show = (times) => {
    const bars = histogramBars(times, "Answered requests, by their time in the queue and in the run", secondsText, "requests");
    numbers.hidden = !bars;
    chart.replaceChildren(bars ?? h("p", { class: "note" }, "The model has answered no request yet."));
    figures.replaceChildren(bars ? [0.5, 0.9, 0.99].map((share) => `p${100 * share} ${secondsText(quantile(times, share))}`).join(" · ") : "");
    replaceKeepingFocus(rows, histogramTable(times, "Answered requests by time", secondsText, "Requests"));
  };
  /** @param {import("./api.js").ServerError} error Who may not see metrics is told so. */
  const fail = (error) => chart.replaceChildren(h("p", { class: "note" }, `Not shown: ${error.message}`));
  return { element, show, fail };
}

/** @param {Version} shown @param {HTMLElement} place What is shown anew with each answer. @param {ReturnType<typeof latencySection>} latency */
async function refresh(shown, place, latency) {
  const [statistics, histograms] = await Promise.all([
    server.statisticsOf(shown.name, shown.version), histogramsOf(shown).catch((error) => void latency.fail(error))]);
  const view = statistics ? statisticsView(statistics) : h("p", { class: "note" }, "The server has no statistics of it.");
  replaceKeepingFocus(place, h("div", {}, view, histograms ? batchChart(histograms.rows) : null));
  if (histograms) latency.show(histograms.times);
}

/** @param {IndexEntry[]} index @param {IndexEntry} shown */
function heading(index, shown) {
  const links = index.map((candidate) => h("a", { href: modelAddress(candidate.name, candidate.version), "aria-current": candidate === shown ? "page" : null }, candidate.version || "none"));
  const versions = index.length > 1 ? h("nav", { "aria-label": "Versions", class: "row" }, h("span", { class: "note" }, "Versions"), ...links) : null;
  const version = index.length > 1 ? null : h("span", { class: "note" }, `version ${shown.version || "none"}`);
  return h("div", { class: "row" }, stateBadge(shown.state), version, versions, shown.reason);
}

/**
 * Shows one version, and returns what asks for its statistics again.
 * @param {string} name @param {string} version @param {HTMLElement} place @param {() => void} reload Shows it anew.
 * @returns {Promise<() => Promise<void>>}
 */
async function show(name, version, place, reload) {
  const index = (await server.models()).filter((entry) => entry.name === name);
  const entry = index.find((candidate) => candidate.version === version) ?? index[0];
  if (!entry) throw new ServerError(`there is no model '${name}'`, 404, "MODEL_NOT_FOUND", {});
  const administration = await server.isAdmin()
    ? h("section", {}, h("h2", {}, "Administration"), controls(name, reload))
    : h("p", { class: "note" }, "Who has a token with the role admin may load and unload the model here.");
  if (entry.state !== "READY") {
    place.replaceChildren(heading(index, entry), administration);
    return async () => { // A model that loads or unloads does so for a while, and others may load it.
      const now = (await server.models()).find((candidate) => candidate.name === name && candidate.version === entry.version);
      if (now?.state !== entry.state || now?.reason !== entry.reason) reload();
    };
  }
  const [metadata, config] = await Promise.all([server.model(name, entry.version), server.config(name, entry.version)]);
  const live = h("div", {});
  const latency = latencySection();
  await refresh(entry, live, latency).catch((error) => live.replaceChildren(problem(error)));
  place.replaceChildren(
    heading(index, entry),
    h("p", { class: "row" }, `${platformText(metadata.platform)} `, h("a", { href: `#/playground/${encodeURIComponent(name)}`, class: "button" }, "Run it in the playground")),
    h("div", { class: "columns" },
      metadata.inputs.length ? specTable("Inputs", metadata.inputs) : h("p", {}, "It takes any inputs, and gives them back."),
      metadata.outputs.length ? specTable("Outputs", metadata.outputs) : null),
    live, latency.element,
    h("section", {}, h("h2", {}, "Configuration"), h("details", {}, h("summary", {}, "As it applies, in JSON"),
      h("pre", { tabindex: "0", role: "region", "aria-label": "Configuration" }, JSON.stringify(config, null, 2)))),
    administration);
  return () => refresh(entry, live, latency);
}

/** @param {string} name @param {string} version Empty: the first that the server lists. */
export function modelPage(name, version) {
  const place = h("div", {}, h("p", { class: "note" }, "Asking the server …"));
  let [timer, stopped] = [0, false];
  let ask = async () => {};
  const load = () => void show(name, version, place, load).then((asks) => { ask = asks; }, (error) => place.replaceChildren(problem(error)));
  const wait = () => {
    timer = setTimeout(async () => {
      if (!document.hidden) await ask().catch(() => {}); // What was told last stays.
      if (!stopped) wait();
    }, PERIOD_MS);
  };
  load();
  wait();
  return { element: h("div", {}, h("h1", { tabindex: "-1" }, name), place), stop: () => { stopped = true; clearTimeout(timer); } };
}
