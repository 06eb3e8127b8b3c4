"use strict";
// show(k) draws everything from the step k alone, so the slider, keys, buttons, links and clicks
// only choose a k. The data are explained in steps.py and page.py. Text from the data goes into the
// page as text nodes, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { lines, steps, arrays, shows, through, widths, numeric, words, places } = data;
  const end = steps.length - 1;
  const byId = (id) => document.getElementById(id);
  const picture = byId("picture"), whole = byId("whole"), frame = byId("frame");
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  let k = 0; // the step
  let picked = null; // the parameter whose uses are shown
  let score = { right: 0, asked: 0 };
  const answers = new Map(); // step -> true, once its question is answered or given up

  // ------------------------------------------------------------ where things are
  for (const step of steps) for (const pull of step.pulls || []) pull.say = words[pull.say];
  for (const line of lines) line.at = places[line.at];
  const madeAt = {}, pulledAt = {}; // line -> its step forward, its step back
  const contribution = {}; // "line.argument" -> {k, ...pull}
  steps.forEach((step, i) => {
    if (step.k === "forward") madeAt[step.n] = i;
    if (step.k === "backward" || step.k === "cut") pulledAt[step.n] = i;
    for (const pull of step.pulls || []) if ("c" in pull) contribution[`${step.n}.${pull.a}`] = { k: i, ...pull };
  });
  pulledAt[data.output] ??= data.seed;
  const completeAt = {}; // line -> the step after which its gradient is whole
  for (const one of Object.values(contribution)) if (one.i === one.of) completeAt[one.o] = one.k;
  completeAt[data.output] = data.seed;

  const parts = [...whole.querySelectorAll("[data-n]")];
  const edges = [...whole.querySelectorAll(".edge")].map((element) => {
    const { from, to, arg, into, belt, tail } = element.dataset;
    const width = arg === undefined ? 0 : widths[`${to}.${arg}`];
    if (width) element.style.setProperty("--width", width);
    return { element, key: `${to}.${arg}`, from, to, arg, carries: into && `n${from}-s${into}`, belt, tail };
  });
  for (const edge of edges) { // a belt carries the arguments that leave it inside the step
    edge.keys = edge.carries
      ? edges.filter((other) => other.belt === edge.carries).map((other) => other.key)
      : edge.arg === undefined ? [] : [edge.key];
    if (edge.carries) edge.element.style.setProperty("--width", Math.max(1, ...edge.keys.map((key) => widths[key] || 1)));
  }
  const node = (n) => byId(`node-n${n}`) || byId(`row-n${n}`);
  picture.style.width = `${picture.viewBox.baseVal.width}px`; // text in a tiny picture measures wrong
  const boxes = new Map(parts.map((part) => [part, part.getBBox()])); // measured once, for speed
  const small = new Map(); // part -> its block in the overview
  const written = new Map(); // part -> the ∇ row and the label that it has now

  // ------------------------------------------------------------ making elements
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value !== null) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function makeSvg(tag, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.textContent = text;
    return element;
  }

  const shapeText = (shape) => (shape.length ? shape.join("×") : "scalar");
  const plain = (place) => { // an array in one row of text
    const { e, m, s } = arrays[place];
    return e ? e.join(" ") || "empty" : `norm ${m}, ${shapeText(s)}`;
  };

  function array(place, chosen) {
    const { s, e, m } = arrays[place];
    if (!e) return make("span", { class: "scalar" }, `|·| ${m}`, make("span", { class: "tag" }, `  norm of ${shapeText(s)}`));
    if (e.length === 1) return make("span", { class: "scalar" }, e[0]);
    if (!e.length) return make("span", { class: "scalar" }, "empty");
    const wide = s.at(-1), body = make("tbody");
    if (wide === e.length) { // a single row may be broken where the window ends
      const cells = e.map((text, i) => make("span", { class: i === chosen ? "chosen" : null }, text));
      return make("span", { class: "array vector", role: "img", "aria-label": plain(place) }, ...cells);
    }
    for (let i = 0; i < e.length; i += wide) {
      body.append(make("tr", {}, ...e.slice(i, i + wide).map((text, j) =>
        make("td", { class: i + j === chosen ? "chosen" : null }, text))));
    }
    return make("table", { class: "array", role: "img", "aria-label": plain(place) }, body);
  }

  const flat = (at, place) => { // "[1, 0]" -> the place in reading order
    if (!at) return undefined;
    const shape = arrays[place].s, index = JSON.parse(at);
    return index.reduce((sum, i, axis) => sum * shape[axis] + i, 0);
  };

  function besides(n) { // the numeric gradient beside ∇
    const found = numeric && numeric.lines[n];
    if (!found) return [];
    const [place, verdict, words] = found;
    return [make("div", { class: "numeric" }, make("span", { class: "tag" }, "numeric "), array(place)),
      make("span", { class: verdict }, words)];
  }

  const name = (n) => lines[n].name;
  const title = (n) => (lines[n].how && lines[n].how !== name(n) ? `${name(n)} = ${lines[n].how}` : name(n));

  // ------------------------------------------------------------ the picture
  const asking = (step) => byId("predict").checked && questions(step).length > 0 && !answers.has(step);
  const questions = (step) => (steps[step].pulls || []).filter((pull) => pull.t).slice(0, 2);
  const latest = (growth, until) => growth.filter(([step]) => step <= until).at(-1);

  function paint(until) {
    const step = steps[k], n = step.n;
    const here = through[n] || [];
    const pulls = new Map((step.pulls || []).map((pull) => [`${n}.${pull.a}`, "c" in pull]));
    whole.querySelectorAll(".halo").forEach((halo) => halo.remove());
    for (const part of parts) {
      const line = Number(part.dataset.line ?? part.dataset.n);
      const ahead = madeAt[line] > k;
      const reached = latest(shows[part.id] || [], until);
      part.classList.toggle("ahead", ahead);
      rewrite(part, "aria-label", label(part, until), (text) => part.setAttribute("aria-label", text));
      if (part.tabIndex === 0) part.tabIndex = -1;
      const block = small.get(part).classList;
      block.toggle("ahead", ahead);
      block.toggle("reached", reached !== undefined);
      block.toggle("here", Number(line) === n);
    }
    for (const edge of edges) {
      const ahead = edge.keys.length > 0 && edge.keys.every((key) => madeAt[key.split(".")[0]] > k);
      const active = edge.keys.some((key) => here.includes(key) || key.split(".")[0] === String(n));
      const stops = step.k === "cut" && Number(edge.arg === undefined ? edge.to : -1) === n;
      const passes = edge.keys.some((key) => pulls.get(key) || here.includes(key));
      const back = k > data.seed;
      const list = edge.element.classList;
      list.toggle("ahead", ahead);
      list.toggle("carried", edge.keys.some((key) => contribution[key]?.k <= until));
      list.toggle("blocked", edge.keys.length > 0 && edge.keys.every((key) => !contribution[key] && pulledAt[key.split(".")[0]] <= until));
      list.toggle("now", stops || (active && (step.k === "forward" || back)));
      list.toggle("pull", back && passes);
      list.toggle("stopped", stops || (back && active && !passes));
      const receives = active && back && edge.keys.some((key) => pulls.get(key));
      if (edge.tail && (active || edge.keys.some((key) => here.includes(key))) && back) ring(byId(edge.tail), receives ? "gets" : "pull");
    }
    for (const [id, growth] of Object.entries(shows)) fill(byId(id), latest(growth, until), growth);
    if (n !== undefined) ring(node(n), k > data.seed || step.k === "seed" ? (step.k === "cut" ? "stopped" : "pull") : "");
    if (k > data.seed) for (const pull of step.pulls || []) if ("c" in pull && node(pull.o)?.id.startsWith("node")) ring(node(pull.o), "gets");
    if (picked !== null) for (const part of parts) if (part.dataset.n === String(picked)) ring(part, "picked");
    const current = target() || parts[0];
    if (current) current.tabIndex = 0;
  }

  function rewrite(part, what, text, write) { // only what has changed: layout is slow
    const key = `${part.id} ${what}`;
    if (written.get(key) === text) return;
    written.set(key, text);
    write(text);
  }

  function fill(part, reached, growth) { // the ∇ row: what has arrived so far
    const row = part.querySelector(".grad");
    const whole = reached && reached === growth.at(-1);
    const shown = reached ? `∇ ${arrays[reached[1]].p}${whole ? row.dataset.end || "" : ""}` : k === end ? "∇ –" : "";
    rewrite(part, "∇", shown, (text) => {
      row.textContent = text;
      row.removeAttribute("textLength");
      const room = Number(row.dataset.width);
      if (room && text.length * 4 > room && row.getComputedTextLength() > room) {
        row.setAttribute("textLength", room);
        row.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
    });
  }

  function ring(part, kind) {
    if (!part) return;
    const box = boxes.get(part);
    part.append(makeSvg("rect", {
      class: `halo ${kind}`, x: box.x - 4, y: box.y - 4, width: box.width + 8, height: box.height + 8, rx: 7,
    }));
  }

  function label(part, until) {
    const n = Number(part.dataset.n), own = Number(part.dataset.line ?? n), line = lines[own];
    const growth = shows[part.id] || [], reached = latest(growth, until);
    const kind = part.classList.contains("reference") ? `${line.kind === "op" ? "" : line.kind} reference to ${name(n)}` : lines[n].kind === "op" ? "" : lines[n].kind;
    const value = part.classList.contains("ahead") ? "not computed yet" : `value ${plain(line.v)}`;
    const g = reached ? `gradient ${reached === growth.at(-1) ? "" : "so far "}${plain(reached[1])}` : growth.length ? "no gradient yet" : "no gradient";
    return [title(own), kind, value, g].filter(Boolean).join(", ");
  }

  function target() { // the part of the picture where this step is
    const { n } = steps[k];
    if (n === undefined) return k === 0 ? parts[0] : byId(`node-n${data.output}`);
    return byId(`node-n${n}`) || parts.find((part) => part.dataset.line === String(n))
      || edges.find((edge) => edge.keys.some((key) => (through[n] || []).includes(key)))?.element;
  }

  function bring(smooth) { // move the picture so that this step is in view
    const part = k === 0 ? null : target();
    const box = frame.getBoundingClientRect();
    const place = part?.getBoundingClientRect();
    const left = place ? frame.scrollLeft + place.x + place.width / 2 - box.x - box.width / 2 : 0;
    const top = place ? frame.scrollTop + place.y + place.height / 2 - box.y - box.height / 2 : 0;
    const inside = place && place.left > box.left + 60 && place.right < box.right - 60
      && place.top > box.top + 10 && place.bottom < box.bottom - 10;
    if (!inside) frame.scrollTo({ left, top, behavior: smooth && !still.matches ? "smooth" : "instant" });
  }

  // ------------------------------------------------------------ the text
  const tag = (text) => make("span", { class: "tag" }, text);
  const names = (n) => make("span", { class: "name" }, name(n));

  function heading(kind, text) {
    return [make("p", { class: "kind" }, kind), make("h2", { class: "name" }, text)];
  }

  function write() {
    const step = steps[k], box = byId("text");
    const pages = { start, forward, seed, backward, cut, end: finish };
    box.replaceChildren(...pages[step.k](step).filter(Boolean));
  }

  function place(n) {
    const where = [lines[n].at, `line n${n}`].filter(Boolean).join(" · ");
    const passed = byId(`node-n${n}`) || parts.some((part) => part.dataset.line === String(n)) ? "" : " · the picture passes over this movement: see the lit arrow";
    return make("p", { class: "note" }, where + passed);
  }

  function start() {
    return [...heading("Before the first step", "Parameters, inputs and constants are given"),
      make("p", {}, `First forward: ${data.seed - 1} operations in the order in which they were made. Then backward, newest first: whatever used a result was made after it, so its gradient is whole before it is handed on.`),
      make("p", {}, "Press → to begin.")];
  }

  function forward({ n }) {
    const operands = lines[n].in.flatMap((i) => [make("dt", {}, name(i)), make("dd", {}, array(lines[i].v))]);
    return [...heading("Forward", title(n)), place(n),
      make("dl", {}, ...operands),
      make("div", { class: "hand made" }, make("h3", {}, names(n), " ", tag(shapeText(arrays[lines[n].v].s))), make("div", { class: "scroll" }, array(lines[n].v)))];
  }

  function seed({ n }) {
    const one = arrays[lines[n].g].e?.join() === "1";
    return [...heading("Turning round", `The gradient of ${name(n)}`),
      make("p", {}, one ? "How does the output change with itself? By as much: the gradient starts at 1." : "The output is not a single number, so the gradient that starts the walk was given."),
      make("p", { class: "formula" }, `∂L/∂${name(n)} = `, array(lines[n].g))];
  }

  function backward(step) {
    const { n } = step, from = [`∇ = ∂L/∂${name(n)}`, " is whole: ", "everything that used it has sent its part."];
    const head = [...heading("Backward", title(n)), place(n),
      make("p", {}, make("span", { class: "formula" }, from[0]), from[1] + from[2]),
      make("div", { class: "grow" }, make("div", { class: "scroll" }, array(lines[n].g)), ...besides(n))];
    if (asking(k)) return [...head, operands(n), ask(step)];
    return [...head, ...step.pulls.map((pull) => hand(n, pull))];
  }

  function operands(n) { // what a reader needs to work out the answer
    const used = [...new Set(lines[n].in)];
    return make("dl", {}, ...[...used, n].flatMap((i) => [make("dt", {}, name(i)), make("dd", {}, array(lines[i].v))]));
  }

  function hand(n, pull) {
    const many = lines[n].in.length > 1 ? `operand ${pull.a + 1} of ${lines[n].in.length}` : "the operand";
    const head = make("h3", {}, "to ", names(pull.o), " ", tag(many));
    if (pull.no) return make("div", { class: `hand ${lines[pull.o].kind === "cut" ? "cut" : "none"}` }, head, make("p", {}, lines[pull.o].kind === "cut" ? `✕ ${pull.no}` : pull.no));
    const chosen = flat(pull.at, pull.c);
    const sum = make("div", { class: "grow" },
      make("div", {}, tag("was"), "was" in pull ? array(pull.was, chosen) : make("span", { class: "scalar" }, "nothing yet")),
      make("span", { class: "arrow", "aria-label": "now" }, "→"),
      make("div", { class: "now" }, tag("now"), array(pull.now, chosen)));
    return make("div", { class: "hand" }, head,
      pull.f ? make("p", { class: "formula" }, `∂L/∂${name(pull.o)} += ${pull.f}`) : null,
      make("p", { class: "note" }, pull.say),
      pull.x ? make("p", { class: "numbers" }, (pull.at ? `${pull.at}  ` : "") + pull.x) : null,
      make("div", { class: "scroll" }, tag("contribution "), array(pull.c, chosen)),
      make("p", {}, tag(pull.of === 1 ? "the only use of it" : `use ${pull.i} of ${pull.of}, ${pull.i === pull.of ? "the last: the gradient is whole" : "newest first"}`)),
      sum, ...(pull.i === pull.of && numeric ? [make("div", { class: "grow" }, ...besides(pull.o))] : []));
  }

  function cut({ n, from }) {
    const known = from !== null && from !== undefined;
    const twins = known && name(from) === name(n); // then the line numbers tell them apart
    const own = twins ? `${name(n)} (n${n})` : name(n);
    const source = !known ? "an earlier result" : twins ? `${name(from)} (n${from})` : name(from);
    return [...heading("Backward: a cut", `No gradient passes over the cut at ${name(n)}`),
      make("div", { class: "hand cut" },
        make("p", {}, `✕ ${own} has the values of ${source}, and detach() cut it off. What came before this place gets no part of the gradients on this side: the back-propagation through time is truncated here.`)),
      make("p", {}, `Value of ${own}: `, array(lines[n].v))];
  }

  function finish() {
    const given = lines.filter((line) => line.kind === "parameter" && line.g !== undefined).length;
    return [...heading("After the last step", "All gradients"),
      make("p", {}, `${given === 1 ? "1 leaf has its" : `${given} leaves have their`} gradient. Each is the sum of the contributions of all its uses: choose one under Parameters.`),
      numeric ? make("p", {}, `The numeric gradients beside them come from ${numeric.method === "complex step" ? "the complex step" : numeric.method}: a value is changed, and what was recorded after it is run again. Where an array has more than 16 entries, its norm is compared with the slope of L along the gradient.`) : null];
  }

  // ------------------------------------------------------------ predict first
  function ask(step) {
    const fields = questions(k).map((pull, i) => {
      const what = `∂L/∂${name(pull.o)}${pull.at ? `, entry ${pull.at}` : ""}: what does this operation add${step.pulls.filter((other) => other.o === pull.o).length > 1 ? ` through operand ${pull.a + 1}` : ""}?`;
      const input = make("input", { type: "text", inputmode: "text", autocomplete: "off", spellcheck: "false", id: `guess${i}`, "aria-describedby": `verdict${i}` });
      return make("div", { class: "ask" }, make("label", { for: `guess${i}` }, what), input, make("span", { class: "verdict", id: `verdict${i}`, role: "status" }));
    });
    const hint = make("p", { class: "note", id: "hint", role: "status" });
    const tell = () => hint.replaceChildren(...questions(k).flatMap((pull) => [pull.say, " ", make("span", { class: "formula" }, pull.f || ""), " "]));
    const form = make("form", { onsubmit: check },
      make("fieldset", {}, make("legend", {}, "Predict first"), ...fields,
        make("div", { class: "row" }, make("button", { class: "main", type: "submit", id: "check" }, "Check"),
          make("button", { type: "button", id: "tell", onclick: tell }, "Hint"),
          make("button", { type: "button", id: "give", onclick: () => settle(false) }, "Show me")),
        hint, make("p", { class: "note" }, "Right within 1 %.")));
    return form;
  }

  function judge(text, [truth, scale]) { // what to say about an answer; "" if it is right
    const clean = text.trim().replace("−", "-").replace(",", ".");
    const typed = clean === "" ? NaN : Number(clean);
    const room = Math.max(0.01 * Math.abs(truth), 1e-4 * scale, 1e-12);
    if (!Number.isFinite(typed)) return "Type a number, such as -0.05 or 3e-4.";
    if (Math.abs(typed - truth) <= room) return "";
    if (Math.abs(-typed - truth) <= room) return "Not yet: the size is right, the sign is not.";
    if (typed * truth < 0) return "Not yet: it has the other sign.";
    return Math.abs(typed) > Math.abs(truth) ? "Not yet: too large." : "Not yet: too small.";
  }

  function check(event) {
    event.preventDefault();
    const verdicts = questions(k).map((pull, i) => {
      const wrong = judge(byId(`guess${i}`).value, pull.t), verdict = byId(`verdict${i}`);
      verdict.textContent = wrong ? `✗ ${wrong}` : "✓ Right.";
      verdict.className = `verdict ${wrong ? "wrong" : "right"}`;
      byId(`guess${i}`).setAttribute("aria-invalid", wrong ? "true" : "false");
      return wrong;
    });
    const first = verdicts.findIndex(Boolean);
    if (first < 0) settle(true);
    else byId(`guess${first}`).focus();
  }

  function settle(right) { // the question of this step is answered, or given up
    answers.set(k, true);
    score = { right: score.right + (right ? 1 : 0), asked: score.asked + 1 };
    show(k);
    byId("text").prepend(make("p", { class: right ? "right" : "wrong", id: "verdict" }, right ? "✓ Right." : "Shown, not counted as right."));
    byId("status").textContent = `${right ? "Right. " : ""}${byId("status").textContent}`;
    byId("next").focus({ preventScroll: true });
  }

  // ------------------------------------------------------------ the parameters
  function list(until) {
    const rows = lines.flatMap((line, n) => {
      if (line.kind !== "parameter" || !line.uses?.length) return [];
      const found = line.uses.map(([child, a]) => contribution[`${child}.${a}`]).filter((one) => one.k <= until);
      const now = found.at(-1)?.now;
      const button = make("button", { "aria-expanded": String(picked === n), "aria-controls": "uses", onclick: () => pick(n) }, line.name);
      return [make("tr", {}, make("th", { scope: "row" }, button), make("td", {}, shapeText(arrays[line.v].s)),
        make("td", {}, `${found.length} of ${line.uses.length}`),
        make("td", { class: "gradient" }, now === undefined ? "–" : arrays[now].p),
        numeric ? make("td", { class: "numeric" }, found.length === line.uses.length ? arrays[numeric.lines[n][0]].p : "") : null)];
    });
    const head = ["name", "shape", "uses so far", "∇ so far", ...(numeric ? [`numeric (${numeric.method})`] : [])];
    const old = document.activeElement?.closest?.("#leaves button");
    const again = old && [...byId("leaves").querySelectorAll("button")].indexOf(old);
    byId("leaves").replaceChildren(make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows));
    if (old) byId("leaves").querySelectorAll("button")[again].focus({ preventScroll: true });
    byId("weights").hidden = rows.length === 0;
  }

  const size = (place) => { const { e, m } = arrays[place]; return e ? Math.hypot(...e.map(Number)) : Number(m); };

  function uses(until) { // every use of the picked parameter, and what each contributed
    if (picked === null) return byId("uses").replaceChildren();
    const found = lines[picked].uses.map(([child, a]) => ({ child, ...contribution[`${child}.${a}`] }));
    const most = Math.max(...found.map((one) => size(one.c))) || 1;
    const rows = found.map((one) => {
      const hidden = byId("predict").checked && one.k > until;
      const step = (lines[one.child].at || "").match(/t=-?\d+/)?.[0].replace("=", " = ") || "";
      const bar = make("div", { class: "bar" }, make("i"));
      bar.firstChild.style.width = hidden ? "0" : `${(100 * size(one.c)) / most}%`;
      return make("tr", { class: one.k === k ? "here" : one.k > until ? "ahead" : null },
        make("td", {}, make("button", { onclick: () => show(one.k), "aria-label": `Go to step ${one.k}: ${step} ${lines[one.child].how}` }, step || `n${one.child}`)),
        make("td", {}, lines[one.child].how),
        make("td", {}, hidden ? "?" : array(one.c)), make("td", {}, bar), make("td", {}, hidden ? "?" : array(one.now)));
    });
    const head = ["go to", "use", "its contribution", "size", "sum so far, newest first"];
    byId("uses").replaceChildren(
      make("h3", {}, names(picked), ` is used ${found.length} time${found.length === 1 ? "" : "s"} `, tag(shapeText(arrays[lines[picked].v].s))),
      make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows))));
  }

  function pick(n) {
    picked = picked === n ? null : n;
    show(k);
    if (picked !== null) byId("uses").scrollIntoView({ block: "nearest", behavior: still.matches ? "instant" : "smooth" });
  }

  // ------------------------------------------------------------ one step
  function sentence() { // for a screen reader
    const step = steps[k], where = `Step ${k} of ${end}`;
    if (step.k === "start") return `${where}. Nothing is computed yet.`;
    if (step.k === "forward") return `${where}, forward: ${title(step.n)}, value ${plain(lines[step.n].v)}.`;
    if (step.k === "seed") return `${where}. The gradient of ${name(step.n)} is ${plain(lines[step.n].g)}.`;
    if (step.k === "cut") return `${where}. Cut at ${name(step.n)}: no gradient passes.`;
    if (step.k === "end") return `${where}. All gradients are there.`;
    if (asking(k)) return `${where}, backward: ${title(step.n)}. Predict what it hands back.`;
    return `${where}, backward: ${title(step.n)}. ` + step.pulls.map((pull) => pull.no ? `To ${name(pull.o)}: ${pull.no}`
      : `To ${name(pull.o)}: ${plain(pull.c)}; was ${"was" in pull ? plain(pull.was) : "nothing"}, now ${plain(pull.now)}.`).join(" ");
  }

  function show(step, { address = true } = {}) {
    const before = k;
    k = Math.min(end, Math.max(0, Math.round(step) || 0));
    const until = asking(k) ? k - 1 : k;
    const back = k >= data.seed;
    document.body.classList.toggle("going-back", back);
    paint(until);
    write();
    list(until);
    uses(until);
    byId("slider").value = k;
    byId("slider").setAttribute("aria-valuetext", `${k} of ${end}, ${back ? "backward" : "forward"}`);
    byId("count").value = `${k} / ${end}`;
    byId("score").textContent = score.asked ? `${score.right} of ${score.asked} right` : "";
    byId("first").disabled = byId("back").disabled = k === 0;
    byId("next").disabled = byId("last").disabled = k === end;
    byId("status").textContent = sentence();
    bring(Math.abs(k - before) <= 2);
    if (address) try { history.replaceState(null, "", `#k=${k}`); } catch { /* a frame has no address of its own */ }
  }

  function go(step) { // by key or button: then an answer can be typed at once
    const moved = step !== k && step >= 0 && step <= end;
    show(step);
    if (moved && asking(k)) byId("guess0").focus({ preventScroll: true });
  }

  function open(part) { // a click on a part of the picture
    const n = Number(part.dataset.n), line = lines[n];
    if (line.kind === "parameter" && line.uses?.length) return pick(n);
    const back = k >= data.seed && pulledAt[n] !== undefined;
    const first = () => steps.findIndex((step) => step.k === "forward" && lines[step.n].in.includes(n));
    return show(back ? pulledAt[n] : madeAt[n] ?? first());
  }

  // ------------------------------------------------------------ hands
  const moves = { ArrowLeft: () => k - 1, ArrowRight: () => k + 1, Home: () => 0, End: () => end };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const typing = event.target.matches("input[type=text]") && event.target.value !== "";
    if (event.key in moves && !typing) {
      event.preventDefault(); // the slider too: its own step would come on top
      go(moves[event.key]());
    }
    const part = event.target.closest("[data-n]");
    if (!part) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(part); part.focus({ preventScroll: true }); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const order = parts.indexOf(part) + (event.key === "ArrowDown" ? 1 : -1);
      const other = parts[(order + parts.length) % parts.length];
      part.tabIndex = -1;
      other.tabIndex = 0;
      other.focus({ preventScroll: true });
      other.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });
    }
  });
  whole.addEventListener("click", (event) => {
    const part = event.target.closest("[data-n]");
    if (part) open(part);
  });
  byId("slider").addEventListener("input", () => show(Number(byId("slider").value)));
  byId("first").addEventListener("click", () => go(0));
  byId("back").addEventListener("click", () => go(k - 1));
  byId("next").addEventListener("click", () => go(k + 1));
  byId("last").addEventListener("click", () => go(end));
  byId("predict").addEventListener("change", () => { answers.clear(); score = { right: 0, asked: 0 }; show(k); });
  const linked = () => { const found = location.hash.match(/^#k=(\d+)$/); return found ? Number(found[1]) : 0; };
  addEventListener("hashchange", () => show(linked(), { address: false }));

  // ------------------------------------------------------------ the size of the picture
  const { width: wide, height: high } = picture.viewBox.baseVal;
  let zoom = 1;
  function resize(factor) {
    zoom = Math.min(3, Math.max(0.05, factor));
    picture.style.width = `${wide * zoom}px`;
    picture.style.height = `${high * zoom}px`;
    picture.style.maxWidth = "none";
    outline();
    bring(false);
  }
  function outline() { // which part of the whole is in view
    const seen = byId("overview");
    seen.toggleAttribute("hidden", high > wide
      || (frame.scrollWidth <= frame.clientWidth + 2 && frame.scrollHeight <= frame.clientHeight + 2));
    const { x, y } = picture.viewBox.baseVal;
    const place = { x: x + frame.scrollLeft / zoom, y: y + frame.scrollTop / zoom,
      width: Math.min(wide, frame.clientWidth / zoom), height: Math.min(high, frame.clientHeight / zoom) };
    for (const [key, value] of Object.entries(place)) byId("window").setAttribute(key, value);
  }
  byId("overview").setAttribute("viewBox", picture.getAttribute("viewBox"));
  byId("blocks").setAttribute("transform", whole.getAttribute("transform"));
  byId("overview").addEventListener("click", (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(byId("overview").getScreenCTM().inverse());
    const { x, y } = picture.viewBox.baseVal;
    frame.scrollTo({ left: (point.x - x) * zoom - frame.clientWidth / 2, top: (point.y - y) * zoom - frame.clientHeight / 2 });
  });
  frame.addEventListener("scroll", outline);
  addEventListener("resize", outline);
  byId("smaller").addEventListener("click", () => resize(zoom / 1.25));
  byId("larger").addEventListener("click", () => resize(zoom * 1.25));
  byId("fit").addEventListener("click", () => resize(Math.min(frame.clientWidth / wide, 2)));

  // ------------------------------------------------------------ begin
  const whichLine = (part) => Number(part.dataset.line ?? part.dataset.n);
  parts.sort((a, b) => whichLine(a) - whichLine(b));
  for (const box of whole.querySelectorAll(".step :is(rect, path, polygon)")) {
    const copy = box.cloneNode();
    copy.setAttribute("class", "around");
    byId("blocks").append(copy);
  }
  for (const part of parts) {
    const { x, y, width, height } = boxes.get(part);
    small.set(part, makeSvg("rect", { x, y, width, height, rx: 8, class: part.getAttribute("class") }));
    byId("blocks").append(small.get(part));
    part.classList.add("part");
    part.setAttribute("role", "button");
    part.prepend(makeSvg("title", {}, title(whichLine(part))));
  }
  lines.forEach((line, n) => { // a sign where a cut stops the gradient
    const part = line.kind === "cut" && byId(`node-n${n}`);
    if (!part) return;
    const box = boxes.get(part);
    part.append(makeSvg("text", { class: "stop", x: box.x - 9, y: box.y + box.height / 2 + 4, "text-anchor": "middle" }, "✕"));
  });
  picture.setAttribute("aria-label", "The graph; arrow up and down go from part to part, Enter opens one");
  byId("summary").textContent = data.summary;
  byId("predict").checked = data.predict;
  byId("slider").max = end;
  byId("halves").style.setProperty("--split", `${(100 * (data.seed - 0.5)) / end}%`);
  const room = (parseFloat(getComputedStyle(frame).maxHeight) || 400) - 45;
  const fits = Math.min(frame.clientWidth / wide, room / high);
  resize(fits > 1.15 ? Math.min(2.4, fits) : Math.min(1.8, Math.max(1.15, room / high)));
  show(linked(), { address: false });
})();
