// Shows the same call as Python, curl and C++, with a button that copies it.
import { token } from "./api.js";
import { h } from "./dom.js";
import { cppText, curlText, pythonText } from "./snippets.js";

/** @typedef {import("./snippets.js").Call} Call */

const LANGUAGES = /** @type {const} */ ([["Python", pythonText], ["curl", curlText], ["C++", cppText]]);

/** The port of gRPC unless the server was told otherwise. */
const GRPC_PORT = 8001;

export function snippetPanel() {
  const address = h("input", { value: `${location.hostname}:${GRPC_PORT}`, size: 24, input: () => render() });
  const code = h("code", {});
  const said = h("span", { role: "status" });
  let language = 0;
  /** @type {Omit<Call, "origin" | "grpc" | "tls" | "token"> | null} */
  let call = null;
  const buttons = LANGUAGES.map(([name], k) => h("button", { type: "button", "aria-pressed": String(k === 0), click: () => {
    language = k;
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === k)));
    render();
  } }, name));

  function render() {
    said.replaceChildren();
    if (!call) return;
    const here = { origin: location.origin, grpc: address.value, tls: location.protocol === "https:", token: token.get() !== "" };
    code.replaceChildren(LANGUAGES[language][1]({ ...here, ...call }));
  }
  const copy = h("button", { type: "button", click: async () => {
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
      said.replaceChildren("Copied");
    } catch {
      getSelection()?.selectAllChildren(code);
      said.replaceChildren("Selected: copy it with the keyboard");
    }
  } }, "Copy");
  const element = h("section", { class: "card" }, h("h2", {}, "The same call"),
    h("div", { class: "row" }, h("div", { role: "group", "aria-label": "Language", class: "switch" }, ...buttons), copy, said,
      h("label", {}, "gRPC address ", address)),
    h("pre", { tabindex: "0", role: "region", "aria-label": "Code of the same call" }, code));
  return {
    element,
    /** @param {Call["file"]} file @param {Call["array"]} array @param {Call["run"]} [run] */
    show(file, array, run) {
      call = { file, array, run };
      render();
    },
  };
}
