// Pictures that play: a clock, its bar of controls, and strips of frames that are drawn on canvases.

const ICONS = {
  play: "M4 2.5v13l11-6.5z",
  pause: "M4 3h3.5v12H4zM10.5 3H14v12h-3.5z",
  back: "M13 3v12l-7.5-6zM3.5 3h2v12h-2z",
  next: "M5 3v12l7.5-6zM12.5 3h2v12h-2z",
};

function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 18 18", "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }),
  );
}

/** Which frame of a loop is shown; tells `listen`ers of every change. */
class Clock {
  constructor(count, rate) {
    Object.assign(this, { count, rate, frame: 0, playing: false, listeners: [] });
  }

  listen(listener) {
    this.listeners.push(listener);
    listener(this);
  }

  tell() {
    this.listeners.forEach((listener) => listener(this));
  }

  seek(frame) {
    this.frame = ((frame % this.count) + this.count) % this.count;
    this.tell();
  }

  step(by) {
    this.pause();
    this.seek(this.frame + by);
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    const tick = () => {
      this.timer = setTimeout(tick, 1000 / this.rate);
      this.seek(this.frame + 1);
    };
    this.timer = setTimeout(tick, 1000 / this.rate);
    this.tell();
  }

  pause() {
    clearTimeout(this.timer);
    this.playing = false;
    this.tell();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }
}

/** The bar of controls of a clock; `label` names a frame. */
function transport(clock, label) {
  const button = (name, text, click) =>
    h("button", { type: "button", "aria-label": text, title: text, click }, icon(name));
  const toggle = button("play", "Play", () => clock.toggle());
  const slider = h("input", {
    type: "range",
    min: 0,
    "aria-label": "Frame",
    input: () => clock.step(Number(slider.value) - clock.frame),
  });
  const output = h("output", { "aria-live": "off" });
  const rates = [...new Set([2, 4, 8, 12, 24, clock.rate])].sort((a, b) => a - b);
  clock.listen(({ frame, playing, count }) => {
    slider.max = count - 1;
    slider.value = frame;
    slider.setAttribute("aria-valuetext", label(frame));
    output.textContent = label(frame);
    if (toggle.dataset.playing !== String(playing)) {
      toggle.dataset.playing = playing;
      toggle.replaceChildren(icon(playing ? "pause" : "play"));
      toggle.setAttribute("aria-label", playing ? "Pause" : "Play");
      toggle.title = playing ? "Pause" : "Play";
    }
  });
  return h(
    "div",
    { class: "transport" },
    button("back", "Previous frame", () => clock.step(-1)),
    toggle,
    button("next", "Next frame", () => clock.step(1)),
    slider,
    output,
    h(
      "div",
      { class: "controls" },
      picker(
        "Speed",
        rates.map((rate) => [rate, `${rate} / s`]),
        clock.rate,
        (rate) => (clock.rate = Number(rate)),
      ),
    ),
  );
}

/** Drag over `element`'s canvases to scrub: their left edge is the first frame, their right edge the last. */
function scrubs(element, clock) {
  element.classList.add("scrubs");
  let over = null;
  const seek = (event) => {
    const box = over.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.9999);
    clock.seek(Math.floor(share * clock.count));
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.target.tagName !== "CANVAS" || event.button) return;
    over = event.target;
    over.setPointerCapture(event.pointerId);
    clock.pause();
    seek(event);
  });
  element.addEventListener("pointermove", (event) => over && seek(event));
  ["pointerup", "pointercancel"].forEach((name) => element.addEventListener(name, () => (over = null)));
}

/**
 * Keys of a player: they act while it has the focus, or while nothing has and the player is in sight, so that
 * the space bar still scrolls the rest of the page.
 */
function keys(element, actions) {
  const inSight = () => {
    const { top, bottom } = element.getBoundingClientRect();
    return top < 0.6 * innerHeight && bottom > 0.4 * innerHeight;
  };
  document.addEventListener("keydown", (event) => {
    const at = document.activeElement;
    const here = element.contains(at) || ((!at || at === document.body) && inSight());
    if (!here || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = at.tagName === "SELECT" || at.tagName === "INPUT";
    if (typing || (event.key === " " && at.tagName === "BUTTON")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** Plays once a player comes into sight, unless the reader asked for less motion. */
function playInSight(element, clock) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const watch = new IntersectionObserver(
    ([entry]) => {
      if (!entry.isIntersecting) return;
      watch.disconnect();
      clock.play();
    },
    { rootMargin: "-40% 0px" },
  );
  watch.observe(element);
}

/** Frames of one size below each other in one picture. */
class Strip {
  constructor(source, count) {
    this.count = count;
    this.image = new Image();
    this.image.src = source;
    this.ready = this.image.decode();
  }

  get width() {
    return this.image.naturalWidth;
  }

  get height() {
    return this.image.naturalHeight / this.count;
  }

  /** Draw a frame over a whole canvas. */
  draw(canvas, frame) {
    const { width, height } = this;
    const context = canvas.getContext("2d");
    context.drawImage(this.image, 0, frame * height, width, height, 0, 0, canvas.width, canvas.height);
  }

  /** A frame's pixels at some size, RGBA. */
  pixels(frame, width, height) {
    const canvas = new OffscreenCanvas(width, height);
    this.draw(canvas, frame);
    return canvas.getContext("2d").getImageData(0, 0, width, height);
  }
}

/** Error maps are white where nothing is wrong, then red, then black; square roots show small errors. */
function paintErrors(canvas, errorAt) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let place = 0; place < image.data.length; place += 4) {
    const error = Math.sqrt(errorAt(place));
    const cold = 255 * Math.max(1 - 2 * error, 0);
    image.data[place] = 255 * Math.min(2 - 2 * error, 1);
    image.data[place + 1] = cold;
    image.data[place + 2] = cold;
    image.data[place + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** The mean absolute difference of a strip's frame and another's. */
function paintDifference(canvas, [strip, frame], [other, otherFrame]) {
  const { width, height } = canvas;
  const a = strip.pixels(frame, width, height).data;
  const b = other.pixels(otherFrame, width, height).data;
  const channel = (place) => Math.abs(a[place] - b[place]);
  paintErrors(canvas, (place) => (channel(place) + channel(place + 1) + channel(place + 2)) / 765);
}
