// The report of `interpolate`: a sequence that plays, with marks of what to review, and onion skin.

const { frames, candidates } = data;
const clock = new Clock(frames.length, data.fps);
const looks = new Shared({ onion: "none" });
const NEXT = "#5b8def";
const PREVIOUS = "#e2705f";

const reviewOf = (frame, candidate) => frames[frame].review[candidate];
const chunks = data.strips.map((sources) => sources.map((source, place) => new Strip(source, data.counts[place])));

/** The strip that holds a frame, and the frame's place in it. */
function located(candidate, frame) {
  let place = 0;
  while (frame >= data.counts[place]) frame -= data.counts[place++];
  return [chunks[candidate][place], frame];
}

function drawFrame(canvas, candidate, frame) {
  const [strip, place] = located(candidate, frame);
  strip.draw(canvas, place);
}

/** Lay a frame over the canvas as a skin: its dark parts in one colour. */
function drawSkin(canvas, candidate, frame, colour) {
  const skin = new OffscreenCanvas(canvas.width, canvas.height);
  const context = skin.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, skin.width, skin.height);
  drawFrame(skin, candidate, frame);
  context.globalCompositeOperation = "lighten";
  context.fillStyle = colour;
  context.fillRect(0, 0, skin.width, skin.height);
  const onto = canvas.getContext("2d");
  onto.save();
  onto.globalCompositeOperation = "multiply";
  onto.globalAlpha = 0.55;
  onto.drawImage(skin, 0, 0);
  onto.restore();
}

/** The frames that lie under and over one: its neighbours, or the keyframes around it. */
function skins(frame, onion) {
  if (onion === "none") return [];
  const wanted = (place) => onion === "neighbours" || frames[place].key;
  let [before, after] = [frame - 1, frame + 1];
  while (before >= 0 && !wanted(before)) before--;
  while (after < frames.length && !wanted(after)) after++;
  return [
    [before, PREVIOUS],
    [after, NEXT],
  ].filter(([place]) => place >= 0 && place < frames.length);
}

function sequencePlayer() {
  const tiles = candidates.map((name, candidate) => {
    const canvas = h("canvas", { width: data.width, height: data.height, role: "img", "aria-label": name });
    const told = h("span");
    const title = h("span", {}, candidates.length > 1 ? name : "");
    const figure = h("figure", {}, canvas, h("figcaption", {}, title, told));
    return { canvas, told, figure, candidate };
  });
  const stage = h(
    "div",
    { class: candidates.length > 1 ? "stage" : "stage single" },
    tiles.map((tile) => tile.figure),
  );
  stage.style.setProperty("--tile", "340px");
  const caption = h("div", { class: "caption" });
  const line = timeline();

  function draw() {
    const { frame } = clock;
    for (const { canvas, told, candidate } of tiles) {
      canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      drawFrame(canvas, candidate, frame);
      skins(frame, looks.values.onion).forEach(([place, colour]) => drawSkin(canvas, candidate, place, colour));
      told.replaceChildren(...reviewed(reviewOf(frame, candidate)));
    }
    caption.replaceChildren(
      h("strong", {}, frames[frame].name),
      h("span", { class: "soft" }, frames[frame].key ? "keyframe" : "in-between"),
    );
  }

  function toReview() {
    const open = (place) => frames[place].review.some((one) => one && one.label !== "easy");
    for (let by = 1; by <= frames.length; by++) {
      const place = (clock.frame + by) % frames.length;
      if (open(place)) return clock.step(by);
    }
  }

  const any = frames.some((frame) => frame.review.some((one) => one && one.label !== "easy"));
  const onion = picker(
    "Onion skin",
    [
      ["none", "none"],
      ["neighbours", "neighbours"],
      ["keys", "keyframes"],
    ],
    "none",
    (value) => looks.set({ onion: value }),
  );
  const player = h(
    "div",
    { class: "player" },
    h(
      "div",
      { class: "controls" },
      caption,
      onion,
      any && h("button", { type: "button", click: toReview }, "Next to review"),
    ),
    stage,
    transport(clock, (frame) => `${frame + 1} of ${frames.length}`),
    line,
  );
  const has = (label) => frames.some((frame) => frame.review.some((one) => one?.label === label));
  const legend = h(
    "p",
    { class: "legend" },
    h("span", { class: "key" }, h("b"), "keyframe"),
    ["easy", "check", "redraw"].filter(has).map((label) => h("span", { class: label }, h("b"), label)),
    has("easy") || any ? h("span", {}, "Bars: predicted error") : null,
  );
  const help = h(
    "p",
    { class: "note keys" },
    [
      ["space", "play"],
      ["←", ""],
      ["→", "step"],
      ["R", "next to review"],
      ["O", "onion skin."],
    ].map(([key, what]) => [h("kbd", {}, key), ` ${what} `]),
    "Click the timeline to jump, drag over the picture to scrub.",
  );
  const own = h("div", { id: "player", role: "region", "aria-label": "Sequence" }, player, legend, help);
  Promise.all(chunks.flat().map((strip) => strip.ready)).then(() => {
    clock.listen(draw);
    looks.listen(draw);
    scrubs(stage, clock);
    keys(player, {
      " ": () => clock.toggle(),
      ArrowLeft: () => clock.step(-1),
      ArrowRight: () => clock.step(1),
      r: toReview,
      o: () => {
        looks.set({ onion: looks.values.onion === "none" ? "neighbours" : "none" });
        onion.querySelector("select").value = looks.values.onion;
      },
    });
    playInSight(player, clock);
    own.dataset.ready = "sequence";
  });
  return own;
}

function reviewed(review) {
  if (!review) return [];
  return [h("span", { class: `mark ${review.label}` }, review.label), ` predicted error ${fixed(review.error, 4)}`];
}

/** A button for each frame: keyframes are marked, and the bars of in-betweens are their predicted errors. */
function timeline() {
  const order = ["easy", "check", "redraw"];
  const badness = ({ label, error }) => order.indexOf(label) + error / 2; // errors are at most 1
  const worst = (frame) => frame.review.filter(Boolean).sort((a, b) => badness(b) - badness(a))[0];
  const most = Math.max(...frames.map((frame) => worst(frame)?.error ?? 0)) || 1;
  const buttons = frames.map((frame, place) => {
    const found = worst(frame);
    const bar = found ? h("i") : null;
    if (bar) bar.style.height = `${(50 * found.error) / most}px`;
    const told = found ? `, ${found.label}, predicted error ${fixed(found.error, 4)}` : "";
    const label = `${frame.name}${frame.key ? ", keyframe" : ""}${told}`;
    const jump = () => clock.step(place - clock.frame);
    const kind = [frame.key ? "key" : "", found?.label ?? ""].join(" ");
    const attributes = {
      type: "button",
      class: kind,
      tabindex: -1,
      title: label,
      "aria-label": label,
      click: jump,
    };
    return h("button", attributes, bar);
  });
  const line = h("div", { class: "timeline", role: "group", "aria-label": "Timeline" }, buttons);
  let last = 0;
  clock.listen(({ frame }) => {
    buttons[last].setAttribute("aria-current", "false");
    buttons[frame].setAttribute("aria-current", "true");
    last = frame;
    const left = buttons[frame].offsetLeft - line.offsetLeft;
    if (left < line.scrollLeft || left > line.scrollLeft + line.clientWidth - 20) line.scrollLeft = left - 20;
  });
  return line;
}

const made = section("made", "How it was made", null, origins());
show(opening("In-betweens", data.lead, []), sequencePlayer(), made);
