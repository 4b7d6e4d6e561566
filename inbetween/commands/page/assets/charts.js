// Charts as SVG: histograms, calibration of predicted errors, and risk over coverage.

const BINS = 24;
const SIZE = { width: 300, height: 150, left: 34, right: 10, top: 10, bottom: 26 };

/** A few round numbers that span a range. */
function ticks(low, high, count = 4) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= raw);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step);
  return found;
}

function short(value) {
  return String(Number(value.toPrecision(3)));
}

/** The frame of a chart: linear or logarithmic scales, their ticks and names. */
function axes({ x, y, size = SIZE, xName, yName, label }) {
  const inner = { right: size.width - size.right, bottom: size.height - size.bottom };
  const onto = ({ low, high, log }, from, to) => {
    const at = log ? Math.log10 : (value) => value;
    return (value) => from + ((at(value) - at(low)) / (at(high) - at(low) || 1)) * (to - from);
  };
  const px = onto(x, size.left, inner.right);
  const py = onto(y, inner.bottom, size.top);
  const marks = ({ low, high, log, whole }) => {
    const found = log ? decades(low, high) : ticks(low, high);
    return whole ? found.filter(Number.isInteger) : found;
  };
  const drawing = svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${size.width} ${size.height}`, role: "img", "aria-label": label },
    marks(y).map((value) => [
      svg("line", { class: "grid", x1: size.left, x2: inner.right, y1: py(value), y2: py(value) }),
      svg("text", { x: size.left - 5, y: py(value) + 4, "text-anchor": "end" }, short(value)),
    ]),
    svg("line", { class: "axis", x1: size.left, x2: inner.right, y1: inner.bottom, y2: inner.bottom }),
    marks(x).map((value) =>
      svg("text", { x: px(value), y: inner.bottom + 14, "text-anchor": "middle" }, short(value)),
    ),
    xName ? svg("text", { x: inner.right, y: size.height - 1, "text-anchor": "end" }, xName) : null,
    yName ? svg("text", { x: 2, y: 8 }, yName) : null,
  );
  return { drawing, px, py };
}

function decades(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    const value = 10 ** power;
    if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
  }
  return found;
}

/** How many values fall into each of `BINS` equal parts of a range. */
function binned(values, low, high) {
  const counts = new Array(BINS).fill(0);
  const width = (high - low) / BINS || 1;
  values.forEach((value) => counts[Math.min(Math.floor((value - low) / width), BINS - 1)]++);
  return counts;
}

/** One histogram for each series (`name`, `values`), all on the same scales. */
function histograms(series, digits) {
  const all = series.flatMap((one) => one.values);
  const [least, high] = [Math.min(...all), Math.max(...all)];
  const low = least > 0 && least < (high - least) / 4 ? 0 : least; // from zero on, where that costs little room
  const counts = series.map((one) => binned(one.values, low, high));
  const most = Math.max(...counts.flat());
  return series.map(({ name, values }, place) => {
    const average = mean(values);
    const { drawing, px, py } = axes({
      x: { low, high },
      y: { low: 0, high: most, whole: true },
      label: `Histogram of ${name}: ${plural(values.length, "window")}, mean ${fixed(average, digits)}`,
    });
    const edge = (bin) => low + (bin * (high - low)) / BINS;
    counts[place].forEach((count, bin) => {
      if (!count) return;
      const [left, right] = high > low ? [px(edge(bin)), px(edge(bin + 1))] : [px(low), px(low) + 10];
      const range = `${fixed(edge(bin), digits)} to ${fixed(edge(bin + 1), digits)}`;
      const bar = { class: "bar", x: left + 0.5, width: right - left - 1, y: py(count), height: py(0) - py(count) };
      drawing.append(svg("rect", bar, svg("title", {}, `${range}: ${plural(count, "window")}`)));
    });
    drawing.append(svg("line", { class: "mean", x1: px(average), x2: px(average), y1: SIZE.top, y2: py(0) }));
    const caption = h("figcaption", {}, h("span", {}, name), h("span", {}, `mean ${fixed(average, digits)}`));
    return h("figure", {}, drawing, caption);
  });
}

const WIDE = { width: 460, height: 300, left: 48, right: 14, top: 18, bottom: 40 };

/** Predicted over true errors of frames: dots, means of ten equal parts, and where both are equal. */
function calibration(name, predicted, errors, labels) {
  const least = 1e-4;
  const pairs = predicted.map((value, place) => [Math.max(value, least), Math.max(errors[place], least)]);
  const all = pairs.flat();
  const scale = { low: Math.min(...all) * 0.9, high: Math.max(...all) * 1.1, log: true };
  const { drawing, px, py } = axes({
    x: scale,
    y: scale,
    size: WIDE,
    xName: "predicted error",
    yName: "true error",
    label: `${name}: true over predicted mean absolute error of ${plural(pairs.length, "frame")}`,
  });
  pairs.forEach(([x, y], place) =>
    drawing.append(svg("circle", { class: `dot ${labels[place] ?? ""}`, cx: px(x), cy: py(y), r: 2.6 })),
  );
  const ends = [scale.low, scale.high];
  drawing.append(
    svg("line", { class: "even", x1: px(ends[0]), x2: px(ends[1]), y1: py(ends[0]), y2: py(ends[1]) }),
  );
  const sorted = [...pairs].sort((a, b) => a[0] - b[0]);
  const parts = Math.min(10, sorted.length);
  const means = Array.from({ length: parts }, (_, part) => {
    const own = sorted.slice((part * sorted.length) / parts, ((part + 1) * sorted.length) / parts);
    return [0, 1].map((axis) => mean(own.map((pair) => pair[axis])));
  });
  drawing.append(svg("polyline", { class: "curve", points: means.map(([x, y]) => `${px(x)},${py(y)}`).join(" ") }));
  means.forEach(([x, y]) =>
    drawing.append(
      svg(
        "circle",
        { class: "bin", cx: px(x), cy: py(y), r: 3.2 },
        svg("title", {}, `predicted ${x.toPrecision(3)}, true ${y.toPrecision(3)}`),
      ),
    ),
  );
  return drawing;
}

/** The mean score of the windows that a method is surest of, over how many of them these are. */
function riskCoverage(name, scores, expected, metric) {
  const order = scores.map((score, place) => [expected[place], score]).sort((a, b) => a[0] - b[0]);
  let sum = 0;
  const points = order.map(([, score], place) => [(place + 1) / order.length, (sum += score) / (place + 1)]);
  const ys = points.map((point) => point[1]);
  const margin = (Math.max(...ys) - Math.min(...ys)) * 0.08 || 0.01;
  const { drawing, px, py } = axes({
    x: { low: 0, high: 1 },
    y: { low: Math.min(...ys) - margin, high: Math.max(...ys) + margin },
    size: WIDE,
    xName: "share of windows that are kept, surest first",
    yName: `mean ${metric}`,
    label: `${name}: mean ${metric} of the windows with the lowest predicted error`,
  });
  drawing.append(
    svg("polyline", { class: "curve", points: points.map(([x, y]) => `${px(x)},${py(y)}`).join(" ") }),
  );
  const all = py(ys[ys.length - 1]);
  drawing.append(svg("line", { class: "even", x1: px(0), x2: px(1), y1: all, y2: all }));
  return drawing;
}
