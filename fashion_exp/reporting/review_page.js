"use strict";
const told = JSON.parse(document.getElementById("told").textContent);
const PER_PAGE = 50;
const KEY = "fashion_exp labels " + told.key;
const byId = (id) => document.getElementById(id);

// Decisions by the number of the case: "keep", "exclude", a class, or several: "dress|shirt".
let decisions = {};
let unsaved = "";
try {
  decisions = JSON.parse(localStorage.getItem(KEY)) || {};
} catch (error) {
  unsaved = " · not kept by this browser: export before you leave";
}
let page = 0;
let shown = [];

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function picture(id, text) {
  if (!told.pictures[id]) return element("div", { className: "none" }, "no picture");
  const source = "data:image/jpeg;base64," + told.pictures[id];
  return element("img", { src: source, alt: text, loading: "lazy", decoding: "async" });
}

function passes(number) {
  const wanted = byId("filter").value;
  const decided = number in decisions;
  if (wanted === "open") return !decided;
  if (wanted === "done") return decided;
  return wanted === "all" || told.cases[number].kind === wanted;
}

function decide(number, decision) {
  if (decision) decisions[number] = decision;
  else delete decisions[number];
  try {
    localStorage.setItem(KEY, JSON.stringify(decisions));
  } catch (error) {
    unsaved = " · not kept by this browser: export before you leave";
  }
  const card = document.querySelector(`article[data-case="${number}"]`);
  if (card) mark(card, number);
  count();
}

// The classes that are on, of the decision of a case.
function chosen(number) {
  const decision = decisions[number];
  if (decision === undefined || decision === "exclude") return [];
  const names = decision === "keep" ? told.cases[number].given : decision;
  return told.classes.includes(names) ? [names] : names.split("|");
}

function toggle(number, name) {
  const names = new Set(chosen(number));
  if (!names.delete(name)) names.add(name);
  const decision = [...names].sort().join("|");
  decide(number, decision === told.cases[number].given ? "keep" : decision);
}

function accept(number) {
  const suggested = told.cases[number].suggested;
  const names = told.classes.includes(suggested) ? [suggested] : suggested.split("|");
  if (names.every((name) => told.classes.includes(name))) decide(number, names.sort().join("|"));
}

function mark(card, number) {
  const on = new Set(chosen(number));
  card.classList.toggle("decided", number in decisions);
  for (const button of card.querySelectorAll("button")) {
    const pressed = button.dataset.name === undefined
      ? decisions[number] === button.dataset.decision
      : on.has(button.dataset.name);
    button.setAttribute("aria-pressed", String(pressed));
  }
}

function choices(number) {
  const { suggested, given } = told.cases[number];
  const hinted = told.classes.includes(suggested) ? [suggested] : suggested.split("|");
  const row = element("div", { className: "choices" });
  told.classes.forEach((name, place) => {
    const button = element("button", { type: "button", title: place < 9 ? `key ${place + 1}` : "" }, name);
    button.dataset.name = name;
    button.classList.toggle("suggested", hinted.includes(name) && name !== given);
    button.onclick = () => toggle(number, name);
    row.append(button);
  });
  for (const [decision, text] of [["keep", `keep ${given}`], ["exclude", "exclude"]]) {
    const button = element("button", { type: "button" }, text);
    button.dataset.decision = decision;
    button.classList.toggle("apart", decision === "keep");
    button.onclick = () => decide(number, decisions[number] === decision ? "" : decision);
    row.append(button);
  }
  return row;
}

function card(number) {
  const one = told.cases[number];
  const made = element("article", { tabIndex: 0 });
  made.dataset.case = number;
  made.setAttribute("aria-label", `case ${number + 1}: ${one.given}, ${one.suggested}?`);
  const [[id, path], ...copies] = one.images;
  const own = element("div", { className: "own" }, picture(id, path));
  if (copies.length) {
    const few = copies.slice(0, 6).map(([other, where]) => picture(other, where));
    own.append(element("div", { className: "copies" }, ...few));
    own.append(element("div", { className: "path" }, `${one.images.length} images of one source`));
  }
  own.append(element("div", { className: "path" }, path));
  const near = one.near.map((other) => element("li", {}, picture(other.image_id, other.label),
    element("div", {}, other.label), element("div", { className: "path" }, other.alike)));
  const said = element("div", {},
    element("span", { className: `kind ${one.kind}` }, one.kind),
    element("h2", {}, `given ${one.given}, suggested ${one.suggested.split("|").join(" or ")}`),
    element("div", { className: "path" }, one.sentence),
    element("ul", { className: "near" }, ...near));
  said.append(choices(number));
  made.append(own, said);
  mark(made, number);
  return made;
}

function count() {
  const decided = Object.keys(decisions).length;
  byId("count").textContent = `${decided} of ${told.cases.length} decided${unsaved}`;
}

function show() {
  shown = told.cases.map((_, number) => number).filter(passes);
  const pages = Math.max(1, Math.ceil(shown.length / PER_PAGE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const cards = shown.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map(card);
  const none = element("p", { className: "empty" }, "Nothing to show here.");
  byId("cases").replaceChildren(...(cards.length ? cards : [none]));
  byId("page").textContent = `page ${page + 1} of ${pages}`;
  byId("back").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
  count();
}

function turn(by) {
  page += by;
  show();
  window.scrollTo(0, 0);
}

function move(from, by) {
  const cards = [...document.querySelectorAll("article")];
  const place = from ? cards.indexOf(from) + by : 0;
  if (cards[place]) {
    cards[place].focus();
    cards[place].scrollIntoView({ block: "nearest" });
  }
}

const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function csv() {
  const lines = [["image_id", "path", "given", "suggested", "kind", "group", "data", "decision"]];
  told.cases.forEach((one, number) => {
    if (!(number in decisions)) return;
    for (const [id, path] of one.images) {
      lines.push([id, path, one.given, one.suggested, one.kind, one.group, told.data, decisions[number]]);
    }
  });
  return lines.map((line) => line.map(cell).join(",")).join("\n") + "\n";
}

byId("export").onclick = () => {
  const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  element("a", { href: address, download: "decisions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
};
byId("back").onclick = () => turn(-1);
byId("next").onclick = () => turn(1);
byId("filter").onchange = () => { page = 0; show(); };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("select, summary")) return;
  const current = event.target.closest("article");
  if (event.key === "j" || event.key === "k") move(current, event.key === "j" ? 1 : -1);
  if (!current || (event.target.closest("button") && ["Enter", " "].includes(event.key))) return;
  const number = Number(current.dataset.case);
  const place = Number(event.key) - 1;
  if (event.key === "Enter") accept(number);
  else if (event.key === " ") decide(number, "keep");
  else if (event.key === "x") decide(number, "exclude");
  else if (event.key === "Backspace") decide(number, "");
  else if (told.classes[place] !== undefined) toggle(number, told.classes[place]);
  else return;
  event.preventDefault();
});
show();
