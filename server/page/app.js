// Chooses the view by the address's fragment, and holds what all views share: the server's state and the token.
import { server, token } from "./api.js";
import { badge, h, problem } from "./dom.js";

/** @typedef {{element: HTMLElement, stop: () => void}} View */

const STATE_PERIOD_MS = 5000;

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const main = byId("main");

/** @type {View | null} */
let view = null;
let turn = 0;

/** @returns {Promise<View>} The modules of a view are loaded when it is first wanted. */
async function makeView() {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  switch (name) {
    case "playground": return (await import("./playground.js")).playground(rest[0] ?? "");
    case "models": return (await import("./model.js")).modelPage(rest[0] ?? "", rest[1] ?? "");
    default: return (await import("./overview.js")).overview();
  }
}

/** @param {boolean} moves Whether the focus goes to the new heading, as after a link it must. */
async function show(moves) {
  const mine = ++turn;
  const next = await makeView().catch((error) => ({ element: problem(error), stop: () => {} }));
  if (mine !== turn) return next.stop();
  view?.stop();
  view = next;
  main.replaceChildren(next.element);
  const heading = main.querySelector("h1");
  document.title = `${heading?.textContent ?? "tensorferry"} · tensorferry`;
  const section = location.hash.startsWith("#/playground") ? "#/playground" : "#/";
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.getAttribute("href") === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (moves) heading?.focus();
}

let lastState = "";

/** Shows whether the server is ready, and says so when that changes. */
async function showState() {
  if (document.hidden) return;
  const state = await server.isReady().then((ready) => (ready ? "ready" : "not ready"), () => "no answer");
  if (state === lastState) return;
  lastState = state;
  byId("state").replaceChildren(badge(state === "ready" ? "good" : state === "not ready" ? "warn" : "bad", state));
}

/** The server's version stands in the footer, and nothing does for who may not know it. */
function showVersion() {
  server.metadata().then(({ name, version }) => byId("version").replaceChildren(`${name} ${version}`), () => {});
}

/** Asks for the token in a dialog. */
function askForToken() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("token-dialog"));
  const field = /** @type {HTMLInputElement} */ (byId("token"));
  field.value = token.get();
  dialog.showModal();
}

function setUp() {
  byId("token-button").addEventListener("click", askForToken);
  byId("token-form").addEventListener("submit", (event) => {
    const forget = event instanceof SubmitEvent && event.submitter?.getAttribute("value") === "forget";
    token.set(forget ? "" : /** @type {HTMLInputElement} */ (byId("token")).value.trim());
    byId("token-state").replaceChildren(token.get() ? h("span", { class: "note" }, "a token is sent") : "");
    showVersion();
    show(false);
  });
  byId("token-cancel").addEventListener("click", () => /** @type {HTMLDialogElement} */ (byId("token-dialog")).close());
  // A file that misses the field would otherwise take the page's place.
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  addEventListener("hashchange", () => void show(true));
  document.addEventListener("visibilitychange", () => void showState());
  setInterval(showState, STATE_PERIOD_MS);
}

setUp();
showState();
showVersion();
show(false);
