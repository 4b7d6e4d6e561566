// Windows of a comparison that play: all methods side by side, differences, predicted errors, and A against B.

const VIEWS = [
  ["frames", "Frames"],
  ["difference", "Difference"],
  ["predicted", "Predicted error"],
  ["ab", "A / B"],
];

function playerSection() {
  if (!data.players.length) return null;
  const certain = data.players.some((player) => player.errors.some(Boolean));
  const views = VIEWS.filter(([view]) => view !== "predicted" || certain);
  const looks = new Shared({ view: "frames", a: -1, b: state.values.judged, showsB: false, wipe: 100, number: -1 });
  const clock = new Clock(data.players[0].count, 4);
  const stage = h("div", { class: "stage" });
  const caption = h("div", { class: "caption", "aria-live": "polite" });
  const rail = h("div", { class: "rail", role: "group", "aria-label": "Windows" });
  let strips = null; // of the open window: truth, and of each method its frames and predicted errors
  let tiles = [];
  let order = [];

  const nameOf = (method) => (method < 0 ? "truth" : names[method]);

  /** Draw the frames of a method, -1 being the truth, or what the view makes of them. */
  function paint(canvas, method, view) {
    const { frame, count } = clock;
    const between = frame > 0 && frame < count - 1;
    const [strip, number] = method < 0 || !between ? [strips.truth, frame] : [strips.methods[method], frame - 1];
    if (view === "difference" && method >= 0) {
      paintDifference(canvas, [strip, number], [strips.truth, frame]);
    } else if (view === "predicted" && method >= 0 && strips.errors[method] && between) {
      const { data: levels } = strips.errors[method].pixels(frame - 1, canvas.width, canvas.height);
      paintErrors(canvas, (place) => (levels[place] / 255) ** 2);
    } else if (view === "predicted" && method >= 0 && strips.errors[method]) {
      paintErrors(canvas, () => 0);
    } else {
      strip.draw(canvas, number);
    }
  }

  function draw() {
    if (!strips) return;
    const { view, a, b, showsB, wipe } = looks.values;
    if (view !== "ab") {
      tiles.forEach(({ canvas, method }) => paint(canvas, method, view));
      return;
    }
    const [{ canvas, title }] = tiles;
    const context = canvas.getContext("2d");
    paint(canvas, showsB ? b : a, "frames");
    if (!showsB && wipe < 100) {
      const over = new OffscreenCanvas(canvas.width, canvas.height);
      paint(over, b, "frames");
      const left = Math.round((canvas.width * wipe) / 100);
      const width = canvas.width - left;
      if (width) context.drawImage(over, left, 0, width, canvas.height, left, 0, width, canvas.height);
      context.fillStyle = "#2f5fd0";
      context.fillRect(left, 0, 1, canvas.height);
    }
    const [first, second] = [`A: ${nameOf(a)}`, `B: ${nameOf(b)}`];
    title.textContent = showsB ? second : wipe < 100 ? `${first} | ${second}` : first;
  }

  function tile(method, text, note, dimmed) {
    const title = h("span", {}, text);
    const { width, height } = strips.truth;
    const canvas = h("canvas", { width, height, role: "img", "aria-label": text });
    tiles.push({ canvas, method, title });
    return h("figure", { class: dimmed ? "none" : null }, canvas, h("figcaption", {}, title, h("span", {}, note)));
  }

  /** Lay out the open window's pictures. */
  function layOut() {
    if (!strips) return;
    const { view } = looks.values;
    const { metric } = state.values;
    const window = order[looks.values.number].window;
    const score = (method) => `${metric} ${fixed(scoresOf(metric, method)[window], digitsOf(metric))}`;
    tiles = [];
    stage.classList.toggle("single", view === "ab");
    if (view === "ab") {
      stage.replaceChildren(tile(-1, "", "", false));
    } else {
      const silent = (method) => view === "predicted" && !strips.errors[method];
      const expected = (method) => `predicted ${fixed(data.expected[method][window], 4)}`;
      const note = (method) => (view === "predicted" ? expected(method) : score(method));
      stage.replaceChildren(
        tile(-1, "truth", "", false),
        ...shownMethods().map((method) =>
          tile(method, names[method], silent(method) ? "predicts none" : note(method), silent(method)),
        ),
      );
    }
    draw();
  }

  async function open(number) {
    looks.set({ number });
    const { player } = order[number];
    const of = (source, count) => source && new Strip(source, count);
    const found = {
      truth: of(player.truth, player.count),
      methods: player.strips.map((source) => of(source, player.count - 2)),
      errors: player.errors.map((source) => of(source, player.count - 2)),
    };
    await Promise.all([found.truth, ...found.methods, ...found.errors].filter(Boolean).map((strip) => strip.ready));
    if (looks.values.number !== number || order[number].player !== player) return; // another one by now
    strips = found;
    clock.count = player.count;
    clock.seek(clock.frame < player.count ? clock.frame : 0);
    const { name, animation } = data.windows[order[number].window];
    caption.replaceChildren(
      h("strong", {}, name),
      h("span", { class: "soft" }, `${animation} · ${player.reason} · ${number + 1} of ${order.length}`),
    );
    [...rail.children].forEach((button, place) => button.setAttribute("aria-current", place === number));
    layOut();
    section_.dataset.ready = player.index;
  }

  /** Order the windows by the chosen method's scores, worst first, and draw their buttons. */
  function reorder() {
    const { metric, judged } = state.values;
    const { higher } = data.metrics[metric];
    const current = strips && order[looks.values.number].player;
    const place = new Map(data.windows.map((one, number) => [one.index, number]));
    const badness = ({ score }) => (isNumber(score) ? (higher ? -score : score) : -Infinity);
    order = data.players
      .map((player) => {
        const window = place.get(player.index);
        return { player, window, score: scoresOf(metric, judged)[window] };
      })
      .sort((x, y) => badness(y) - badness(x));
    rail.replaceChildren(
      ...order.map(({ player, window, score }, number) => {
        const canvas = h("canvas", { width: 100, height: 75, "aria-hidden": "true" });
        const strip = new Strip(player.truth, player.count);
        strip.ready.then(() => {
          canvas.height = Math.round((100 * strip.height) / strip.width);
          strip.draw(canvas, player.count >> 1);
        });
        return h(
          "button",
          { type: "button", title: data.windows[window].name, click: () => open(number) },
          canvas,
          h("span", {}, `${fixed(score, digitsOf(metric))} · ${player.reason}`),
          h("span", { class: "soft" }, data.windows[window].name.split("/").slice(-2).join("/")),
        );
      }),
    );
    open(
      Math.max(
        order.findIndex((one) => one.player === current),
        0,
      ),
    );
  }

  function go(by) {
    open((looks.values.number + by + order.length) % order.length);
    rail.children[looks.values.number].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const all = [[-1, "truth"], ...names.map((name, place) => [place, name])];
  const pick = (label, key) =>
    picker(label, all, looks.values[key], (value) => looks.set({ [key]: Number(value) }));
  const swap = h("button", { type: "button", click: () => looks.set({ showsB: !looks.values.showsB }) }, "Show B");
  const wipe = h("input", {
    type: "range",
    min: 0,
    max: 100,
    value: 100,
    "aria-label": "Wipe from A to B",
    input: () => looks.set({ wipe: Number(wipe.value), showsB: false }),
  });
  const ab = h("div", { class: "controls" }, pick("A", "a"), pick("B", "b"), swap, h("label", {}, "Wipe", wipe));
  const size = h("input", {
    type: "range",
    min: 120,
    max: 480,
    value: 210,
    "aria-label": "Size of pictures",
    input: () => stage.style.setProperty("--tile", `${size.value}px`),
  });
  const sizing = h("label", {}, "Size", size);
  const scale = h(
    "span",
    { class: "note" },
    "White: no error. Red: 0.25. Black: 1. Square roots show small errors.",
  );
  const judge = picker(
    "Ordered by",
    names.map((name, place) => [place, name]),
    state.values.judged,
    (judged) => state.set({ judged: Number(judged) }),
  );
  const player = h(
    "div",
    { class: "player" },
    h("div", {}, caption),
    h("div", { class: "controls" }, choice("View", views, looks, "view"), sizing, scale),
    ab,
    stage,
    transport(clock, (frame) => {
      if (!frame) return "first keyframe";
      return frame === clock.count - 1 ? "last keyframe" : `in-between ${frame} of ${clock.count - 2}`;
    }),
    rail,
  );
  const section_ = section(
    "player",
    "Windows that play",
    [metricPicker(), judge],
    methodFilter(),
    h("p", { class: "note" }, data.kept),
    player,
    h(
      "p",
      { class: "note keys" },
      [
        ["space", "play"],
        ["←", ""],
        ["→", "step"],
        ["N", ""],
        ["P", "next, previous window"],
        ["D", "difference"],
        ["B", "A against B, and swap."],
      ].map(([key, what]) => [h("kbd", {}, key), ` ${what} `]),
      "Drag over a picture to scrub.",
    ),
  );

  looks.listen(({ view, showsB }, changes) => {
    ab.hidden = view !== "ab";
    sizing.hidden = view === "ab";
    scale.hidden = view === "ab" || view === "frames";
    swap.textContent = showsB ? "Show A" : "Show B";
    swap.setAttribute("aria-pressed", showsB);
    if ("view" in changes) layOut();
    else draw();
  });
  state.listen((_, changes) => ("metric" in changes || "judged" in changes ? reorder() : layOut()));
  clock.listen(draw);
  scrubs(stage, clock);
  const view = (one) => looks.set({ view: looks.values.view === one ? "frames" : one });
  keys(player, {
    " ": () => clock.toggle(),
    ArrowLeft: () => clock.step(-1),
    ArrowRight: () => clock.step(1),
    n: () => go(1),
    p: () => go(-1),
    d: () => view("difference"),
    b: () => looks.set(looks.values.view === "ab" ? { showsB: !looks.values.showsB } : { view: "ab" }),
  });
  playInSight(player, clock);

  section_.open = (number) => {
    open(order.findIndex((one) => one.player === data.players[number]));
    section_.scrollIntoView();
  };
  return section_;
}

const playing = playerSection();
const sections = [
  resultsSection(),
  playing,
  differencesSection(),
  distributionsSection(),
  confidenceSection(),
  windowsSection((number) => playing.open(number)),
  oneSidedSection(),
].filter(Boolean);
show(opening("Comparison", data.lead, sections, origins()), ...sections);
