"use strict";
const byId = (id) => document.getElementById(id);
const review = JSON.parse(byId("review-data").textContent);
const PAGE_SIZE = 50;
const STORAGE_KEY = "fashion_exp labels " + review.key;
const NOT_SAVED = " · this browser does not save decisions: export before you leave";

// Decisions by case index: "keep", "exclude", a class, or several classes as "dress|shirt".
let decisions = {};
let warning = "";
try {
  decisions = JSON.parse(localStorage.getItem(STORAGE_KEY)) || {};
} catch (error) {
  warning = NOT_SAVED;
}
let page = 0;
let visible = [];  // indices of the cases that pass the filter

function element(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function thumbnail(id, text) {
  if (!review.thumbnails[id]) return element("div", { className: "none" }, "no image");
  const source = "data:image/jpeg;base64," + review.thumbnails[id];
  return element("img", { src: source, alt: text, loading: "lazy", decoding: "async" });
}

// "dress|shirt" as two names, unless a class has this very name.
function splitClasses(text) {
  return review.classes.includes(text) ? [text] : text.split("|");
}

function passesFilter(index) {
  const filter = byId("filter").value;
  const isDecided = index in decisions;
  if (filter === "open") return !isDecided;
  if (filter === "done") return isDecided;
  return filter === "all" || review.cases[index].kind === filter;
}

function decide(index, decision) {
  if (decision) decisions[index] = decision;
  else delete decisions[index];
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(decisions));
  } catch (error) {
    warning = NOT_SAVED;
  }
  const article = document.querySelector(`article[data-case="${index}"]`);
  if (article) markDecision(article, index);
  showCount();
}

function selectedClasses(index) {
  const decision = decisions[index];
  if (decision === undefined || decision === "exclude") return [];
  return splitClasses(decision === "keep" ? review.cases[index].given : decision);
}

function toggleClass(index, name) {
  const names = new Set(selectedClasses(index));
  if (!names.delete(name)) names.add(name);
  const decision = [...names].sort().join("|");
  decide(index, decision === review.cases[index].given ? "keep" : decision);
}

function accept(index) {
  const names = splitClasses(review.cases[index].suggested);
  if (names.every((name) => review.classes.includes(name))) decide(index, names.sort().join("|"));
}

function markDecision(article, index) {
  const selected = new Set(selectedClasses(index));
  article.classList.toggle("decided", index in decisions);
  for (const button of article.querySelectorAll("button")) {
    const isPressed = button.dataset.name === undefined
      ? decisions[index] === button.dataset.decision
      : selected.has(button.dataset.name);
    button.setAttribute("aria-pressed", String(isPressed));
  }
}

function choiceButtons(index) {
  const { suggested, given } = review.cases[index];
  const suggestedNames = splitClasses(suggested);
  const row = element("div", { className: "choices" });
  review.classes.forEach((name, position) => {
    const title = position < 9 ? `key ${position + 1}` : "";
    const text = name === given ? `keep ${name}` : name;
    const button = element("button", { type: "button", title }, text);
    button.dataset.name = name;
    button.classList.toggle("suggested", suggestedNames.includes(name) && name !== given);
    button.onclick = () => toggleClass(index, name);
    row.append(button);
  });
  const others = [["exclude", "exclude"]];
  if (given && !review.classes.includes(given)) others.unshift(["keep", `keep ${given}`]);
  others.forEach(([decision, text], position) => {
    const button = element("button", { type: "button" }, text);
    button.dataset.decision = decision;
    button.classList.toggle("separate", position === 0);
    button.onclick = () => decide(index, decisions[index] === decision ? "" : decision);
    row.append(button);
  });
  return row;
}

function caseArticle(index) {
  const item = review.cases[index];
  const article = element("article", { tabIndex: 0 });
  article.dataset.case = index;
  article.setAttribute("aria-label", `case ${index + 1}: ${item.given || "no label"}, ${item.suggested}?`);
  const [[id, path], ...copies] = item.images;
  const images = element("div", { className: "images" }, thumbnail(id, path));
  if (copies.length) {
    const thumbnails = copies.slice(0, 6).map(([copyId, copyPath]) => thumbnail(copyId, copyPath));
    images.append(element("div", { className: "copies" }, ...thumbnails));
    images.append(element("div", { className: "path" }, `${item.images.length} images of one source`));
  }
  images.append(element("div", { className: "path" }, path));
  const neighbors = item.neighbors.map((neighbor) => element("li", {},
    thumbnail(neighbor.image_id, neighbor.label),
    element("div", {}, neighbor.label),
    element("div", { className: "path" }, neighbor.similarity)));
  const details = element("div", {},
    element("span", { className: `kind ${item.kind}` }, item.kind),
    element("h2", {}, (item.given ? `given ${item.given}, ` : "")
      + `suggested ${item.suggested.split("|").join(" or ")}`),
    element("div", { className: "path" }, item.explanation),
    element("ul", { className: "neighbors" }, ...neighbors),
    choiceButtons(index));
  article.append(images, details);
  markDecision(article, index);
  return article;
}

function showCount() {
  const count = Object.keys(decisions).length;
  byId("count").textContent = `${count} of ${review.cases.length} decided${warning}`;
}

function showPage() {
  visible = review.cases.map((_, index) => index).filter(passesFilter);
  const pages = Math.max(1, Math.ceil(visible.length / PAGE_SIZE));
  page = Math.min(Math.max(page, 0), pages - 1);
  const articles = visible.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE).map(caseArticle);
  const empty = element("p", { className: "empty" }, "No cases match the filter.");
  byId("cases").replaceChildren(...(articles.length ? articles : [empty]));
  byId("page").textContent = `page ${page + 1} of ${pages}`;
  byId("back").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
  showCount();
}

function turnPage(step) {
  page += step;
  showPage();
  window.scrollTo(0, 0);
}

function moveFocus(current, step) {
  const articles = [...document.querySelectorAll("article")];
  const target = articles[current ? articles.indexOf(current) + step : 0];
  if (target) {
    target.focus();
    target.scrollIntoView({ block: "nearest" });
  }
}

const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

// As guard_cell in atomic_io.py: a spreadsheet must not evaluate a text as a formula.
const NUMBER = /^'*[+-]?((\d[\d,]*\.?\d*|\.\d+)(e[+-]?\d+)?\s?%?)?$/i;
const guard = (text) => (/^'*[=+\-@\t\r]/.test(text) && !NUMBER.test(text) ? `'${text}` : text);

function csv() {
  const rows = [["image_id", "path", "given", "suggested", "kind", "group", "data", "decision"]];
  review.cases.forEach((item, index) => {
    if (!(index in decisions)) return;
    const { given, suggested, kind, group } = item;
    for (const [id, path] of item.images) {
      rows.push([id, path, given, suggested, kind, group, review.data, decisions[index]]);
    }
  });
  return rows.map((row) => row.map(guard).map(quote).join(",")).join("\n") + "\n";
}

byId("export").onclick = () => {
  const url = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  element("a", { href: url, download: "decisions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};
byId("back").onclick = () => turnPage(-1);
byId("next").onclick = () => turnPage(1);
byId("filter").onchange = () => { page = 0; showPage(); };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("select, summary")) return;
  const current = event.target.closest("article");
  if (event.key === "j" || event.key === "k") moveFocus(current, event.key === "j" ? 1 : -1);
  if (!current || (event.target.closest("button") && ["Enter", " "].includes(event.key))) return;
  const index = Number(current.dataset.case);
  const name = review.classes[Number(event.key) - 1];
  if (event.key === "Enter") accept(index);
  else if (event.key === " " && review.cases[index].given) decide(index, "keep");
  else if (event.key === "x") decide(index, "exclude");
  else if (event.key === "Backspace") decide(index, "");
  else if (name !== undefined) toggleClass(index, name);
  else return;
  event.preventDefault();
});
showPage();
